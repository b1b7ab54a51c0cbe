use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::time::Duration;

use proptest::prelude::*;

use super::envelope::{decode, encode};
use super::*;

mod key_files;

fn evidence(region: &str) -> PrivateKey {
    PrivateKey::generate(Purpose::Evidence {
        region: region.to_owned(),
    })
    .unwrap()
}

fn subject(id: &str) -> Subject<'_> {
    Subject {
        kind: Kind::Flag,
        id,
        schema: 1,
    }
}

fn pair() -> (Sealer, Opener) {
    let key = evidence("us");
    (Sealer::new(key.public().clone()).unwrap(), Opener::new(key))
}

#[test]
fn a_sealer_can_go_to_its_thread() {
    fn is_send<T: Send>() {}
    is_send::<Sealer>();
    is_send::<Opener>();
}

#[test]
fn what_was_sealed_opens_also_through_json_and_after_renewal() {
    let (sealer, mut opener) = pair();
    let mut sealer = sealer.renewing_after(Duration::ZERO);
    let mut encs = Vec::new();
    let mut lines = Vec::new();
    for n in 0..3 {
        let text = format!("text number {n}");
        let id = format!("id-{n}");
        let envelope = sealer.seal(&subject(&id), text.as_bytes(), &[]).unwrap();
        encs.push(envelope.enc.to_string());
        lines.push((id, text, serde_json::to_string(&envelope).unwrap()));
    }
    encs.dedup();
    assert_eq!(encs.len(), 3, "each minute has an exchange of its own");
    // Any order: there is no sequence.
    for (id, text, line) in lines.iter().rev() {
        let envelope: Envelope<'_> = serde_json::from_str(line).unwrap();
        let opened = opener.open(&subject(id), &envelope).unwrap();
        assert_eq!(opened.as_slice(), text.as_bytes());
    }
}

#[test]
fn within_a_minute_the_exchange_is_kept_and_the_data_key_is_not() {
    let (mut sealer, _) = pair();
    let one = sealer
        .seal(&subject("a"), b"same", &[])
        .unwrap()
        .into_owned();
    let two = sealer
        .seal(&subject("a"), b"same", &[])
        .unwrap()
        .into_owned();
    assert_eq!(one.enc, two.enc);
    assert_ne!(one.salt, two.salt);
    assert_ne!(one.nonce, two.nonce);
    assert_ne!(one.ciphertext, two.ciphertext);
}

#[test]
fn no_salt_or_nonce_comes_twice() {
    let (mut sealer, _) = pair();
    let mut salts = std::collections::HashSet::new();
    let mut nonces = std::collections::HashSet::new();
    for _ in 0..500 {
        let envelope = sealer.seal(&subject("a"), b"", &[]).unwrap();
        assert!(salts.insert(envelope.salt.to_string()));
        assert!(nonces.insert(envelope.nonce.unwrap().to_string()));
    }
}

/// What was sealed stays in topics for as long as they are kept: this envelope must open with
/// every later version of the program.
#[test]
fn an_envelope_of_the_first_version_still_opens() {
    let mut opener = Opener::new(fixed_key());
    let envelope: Envelope<'_> =
        serde_json::from_str(include_str!("tests/envelope.v1.json")).unwrap();
    let opened = opener.open(&subject("a"), &envelope).unwrap();
    assert_eq!(opened.as_slice(), b"sealed by version 1");
}

/// A key pair that is known to everybody.
fn fixed_key() -> PrivateKey {
    use hpke::{Kem as _, Serializable as _};
    let (private, public) = Kem::derive_keypair(&[7; 32]);
    let purpose = Purpose::Evidence {
        region: "us".to_owned(),
    };
    let public = PublicKey::from_bytes(purpose, &public.to_bytes(), None).unwrap();
    PrivateKey::from_bytes(public, &private.to_bytes(), None).unwrap()
}

#[test]
fn a_salt_of_another_envelope_does_not_fit() {
    let (mut sealer, mut opener) = pair();
    let one = sealer
        .seal(&subject("a"), b"one", &[])
        .unwrap()
        .into_owned();
    let mut two = sealer
        .seal(&subject("a"), b"two", &[])
        .unwrap()
        .into_owned();
    two.salt = one.salt;
    assert!(matches!(
        opener.open(&subject("a"), &two),
        Err(OpenError::Altered { .. })
    ));
}

#[test]
fn every_part_of_the_subject_counts() {
    let (mut sealer, mut opener) = pair();
    let sealed = subject("a");
    let envelope = sealer.seal(&sealed, b"text", &[]).unwrap();
    for other in [
        subject("b"),
        Subject {
            kind: Kind::Report,
            ..sealed
        },
        Subject {
            schema: 2,
            ..sealed
        },
    ] {
        assert_eq!(
            opener.open(&other, &envelope).unwrap_err(),
            OpenError::Altered {
                id: other.id.to_owned()
            }
        );
    }
    assert!(opener.open(&sealed, &envelope).is_ok());
}

#[test]
fn the_region_counts_even_with_the_same_secret() {
    // The same X25519 key under another region's name: another fingerprint, and another `info`.
    let us = evidence("us");
    let bytes = us.hpke_bytes();
    let eu_public = PublicKey::from_bytes(
        Purpose::Evidence {
            region: "eu".to_owned(),
        },
        &us.public().hpke_bytes(),
        None,
    )
    .unwrap();
    let eu = PrivateKey::from_bytes(eu_public, bytes.as_ref(), None).unwrap();
    assert_ne!(us.public().id(), eu.public().id());

    let mut sealer = Sealer::new(us.public().clone()).unwrap();
    let mut opener = Opener::new(eu);
    let mut envelope = sealer
        .seal(&subject("a"), b"text", &[])
        .unwrap()
        .into_owned();
    assert!(matches!(
        opener.open(&subject("a"), &envelope),
        Err(OpenError::WrongKey { .. })
    ));
    envelope.key_id = opener.key().public().id().to_string().into();
    assert!(matches!(
        opener.open(&subject("a"), &envelope),
        Err(OpenError::Altered { .. })
    ));
}

#[test]
fn another_version_is_named() {
    let (mut sealer, mut opener) = pair();
    let mut envelope = sealer
        .seal(&subject("a"), b"text", &[])
        .unwrap()
        .into_owned();
    envelope.v = 9;
    assert_eq!(
        opener
            .open(&subject("a"), &envelope)
            .unwrap_err()
            .to_string(),
        "expected envelope version 1, found 9"
    );
}

#[test]
fn malformed_fields_are_named() {
    let (mut sealer, mut opener) = pair();
    let good = sealer
        .seal(&subject("a"), b"text", &[])
        .unwrap()
        .into_owned();
    type Damage = fn(&mut Envelope<'static>);
    let cases: [(&str, Damage); 5] = [
        ("enc", |e| e.enc = "AAAA".into()),
        ("salt", |e| e.salt = "not base64!".into()),
        ("nonce", |e| e.nonce = Some("".into())),
        ("ciphertext", |e| e.ciphertext = Some("AAAA".into())),
        ("ciphertext", |e| {
            e.ciphertext = e.ciphertext.as_ref().map(|text| format!("{text}=").into())
        }),
    ];
    for (field, damage) in cases {
        let mut bad = good.clone();
        damage(&mut bad);
        match opener.open(&subject("a"), &bad) {
            Err(OpenError::Malformed { field: found, .. }) => assert_eq!(found, field),
            other => panic!(
                "{field}: expected a malformed field, found {:?}",
                other.err()
            ),
        }
    }
}

#[test]
fn a_point_of_small_order_is_refused_at_the_start() {
    let key = PublicKey::from_bytes(
        Purpose::Evidence {
            region: "us".to_owned(),
        },
        &[0; 32],
        None,
    )
    .unwrap();
    assert_eq!(Sealer::new(key).err(), Some(SealError::UnusableKey));
}

#[test]
fn only_the_dead_letter_key_signs() {
    let key = PrivateKey::generate(Purpose::DeadLetter).unwrap();
    let signature = key.sign(b"message").unwrap();
    assert!(key.public().verifies(b"message", &signature));
    assert!(!key.public().verifies(b"massage", &signature));
    assert!(!key.public().verifies(b"message", &signature[1..]));
    let other = PrivateKey::generate(Purpose::DeadLetter).unwrap();
    assert!(!other.public().verifies(b"message", &signature));
    assert!(evidence("us").sign(b"message").is_none());
    assert!(!evidence("us").public().verifies(b"message", &signature));
}

proptest! {
    #[test]
    fn round_trip(text in proptest::collection::vec(any::<u8>(), 0..2000), id in ".{0,64}") {
        let (mut sealer, mut opener) = pair();
        let envelope = sealer.seal(&subject(&id), &text, &[]).unwrap();
        let opened = opener.open(&subject(&id), &envelope).unwrap();
        prop_assert_eq!(opened.as_slice(), text.as_slice());
    }

    #[test]
    fn any_flipped_bit_is_found(
        text in proptest::collection::vec(any::<u8>(), 0..200),
        field in 0usize..4,
        at in any::<prop::sample::Index>(),
        bit in 0u8..8,
    ) {
        let (mut sealer, mut opener) = pair();
        let mut envelope = sealer.seal(&subject("a"), &text, &[]).unwrap().into_owned();
        let slot = match field {
            0 => &mut envelope.enc,
            1 => &mut envelope.salt,
            2 => envelope.nonce.as_mut().unwrap(),
            _ => envelope.ciphertext.as_mut().unwrap(),
        };
        let mut bytes = decode(slot).unwrap();
        let at = at.index(bytes.len());
        // RFC 7748 section 5: the top bit of an X25519 coordinate is ignored in the exchange. HPKE
        // hashes `enc` as it was sent, so even that bit is found.
        bytes[at] ^= 1 << bit;
        *slot = encode(&bytes).into();
        let found = matches!(opener.open(&subject("a"), &envelope), Err(OpenError::Altered { .. }));
        prop_assert!(found);
    }

    #[test]
    fn arbitrary_envelopes_never_panic(
        v in 0u16..3, enc in ".{0,60}", salt in ".{0,30}", nonce in ".{0,20}", text in ".{0,80}",
    ) {
        let (_, mut opener) = pair();
        let key_id = opener.key().public().id().to_string();
        let envelope = Envelope {
            v,
            key_id: key_id.into(),
            enc: enc.into(),
            salt: salt.into(),
            nonce: Some(nonce.into()),
            ciphertext: Some(text.into()),
            digest: None,
        };
        prop_assert!(opener.open(&subject("a"), &envelope).is_err());
    }
}

#[test]
fn a_reference_can_be_compared_by_the_holder_of_the_key_only() {
    let (mut sealer, mut opener) = pair();
    let identity: [&[u8]; 2] = [b"message-1", b"text"];
    let other: [&[u8]; 2] = [b"message-1t", b"ext"];
    let large = vec![b'x'; 20_000];
    let mut sealed = sealer
        .seal(&subject("a"), &large, &identity)
        .unwrap()
        .into_owned();
    assert!(opener.open(&subject("a"), &sealed).is_ok());
    sealed.make_reference();
    let reference = sealer
        .reference(&subject("a"), &identity)
        .unwrap()
        .into_owned();
    assert_ne!(sealed.digest, reference.digest, "each has a key of its own");
    for envelope in [sealed, reference] {
        assert!(envelope.is_reference());
        let mut is = |id, identity: &[&[u8]]| {
            opener
                .is_digest_of(&subject(id), &envelope, identity)
                .unwrap()
        };
        assert_eq!(is("a", &identity), Some(true));
        assert_eq!(is("a", &other), Some(false));
        assert_eq!(is("b", &identity), Some(false));
        assert_eq!(
            opener.open(&subject("a"), &envelope).unwrap_err(),
            OpenError::Reference
        );
        let json = serde_json::to_string(&envelope).unwrap();
        assert_eq!(
            serde_json::from_str::<Envelope<'_>>(&json).unwrap(),
            envelope
        );
    }
    let small = sealer.seal(&subject("a"), b"text", &identity).unwrap();
    let compared = opener.is_digest_of(&subject("a"), &small, &identity);
    assert_eq!(compared.unwrap(), None);
}
