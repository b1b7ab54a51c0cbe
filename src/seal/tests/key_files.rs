//! Key files: written once, read with care.

use super::*;

#[test]
fn key_files_round_trip_and_are_never_overwritten() {
    let directory = tempfile::tempdir().unwrap();
    let out = directory.path().join("keys");
    for purpose in [
        Purpose::DeadLetter,
        Purpose::Evidence {
            region: "us".to_owned(),
        },
    ] {
        let key = PrivateKey::generate(purpose.clone()).unwrap();
        let files = key_file::create(&out, &key).unwrap();
        let mode = fs::metadata(&files.private).unwrap().permissions().mode();
        assert_eq!(mode & 0o7777, 0o600);

        let public = key_file::read_public(&files.public).unwrap();
        assert_eq!(&public, key.public());
        let private = key_file::read_private(&files.private).unwrap();
        let mut sealer = Sealer::new(public.clone()).unwrap();
        let envelope = sealer.seal(&subject("a"), b"text", &[]).unwrap();
        assert!(Opener::new(private).open(&subject("a"), &envelope).is_ok());

        let before = fs::read(&files.private).unwrap();
        let again = PrivateKey::generate(purpose).unwrap();
        let refused = key_file::create(&out, &again).unwrap_err();
        assert!(matches!(refused.fault, key_file::KeyFileFault::Exists));
        fs::remove_file(&files.public).unwrap();
        let refused = key_file::create(&out, &again).unwrap_err();
        assert!(matches!(refused.fault, key_file::KeyFileFault::Exists));
        assert_eq!(fs::read(&files.private).unwrap(), before);
        assert!(
            !files.public.exists(),
            "no public half without its private half"
        );
    }
}

#[test]
fn the_wrong_half_is_named() {
    let directory = tempfile::tempdir().unwrap();
    let files = key_file::create(directory.path(), &evidence("us")).unwrap();
    let fault = key_file::read_public(&files.private).unwrap_err();
    assert!(
        fault
            .to_string()
            .ends_with("expected a public key, found a private key")
    );
    let fault = key_file::read_private(&files.public).err().unwrap();
    assert!(
        fault
            .to_string()
            .ends_with("expected a private key, found a public key")
    );
}

#[test]
fn a_private_key_that_others_may_read_is_refused() {
    let directory = tempfile::tempdir().unwrap();
    let files = key_file::create(directory.path(), &evidence("us")).unwrap();
    fs::set_permissions(&files.private, fs::Permissions::from_mode(0o644)).unwrap();
    let fault = key_file::read_private(&files.private).err().unwrap();
    assert!(fault.to_string().contains("mode 0644"), "{fault}");
    fs::set_permissions(&files.private, fs::Permissions::from_mode(0o440)).unwrap();
    assert!(key_file::read_private(&files.private).is_ok());
}

#[test]
fn changed_key_files_are_refused_without_quoting_them() {
    let directory = tempfile::tempdir().unwrap();
    let us = key_file::create(directory.path(), &evidence("us")).unwrap();
    let eu = key_file::create(directory.path(), &evidence("eu")).unwrap();
    let text = fs::read_to_string(&us.private).unwrap();
    let value: serde_json::Value = serde_json::from_str(&text).unwrap();
    let secret = value["private_key"].as_str().unwrap();
    let other: serde_json::Value =
        serde_json::from_str(&fs::read_to_string(&eu.private).unwrap()).unwrap();
    let changes = [
        text.replace("\"us\"", "\"eu\""),
        text.replace("evidence", "dead-letter"),
        text.replace("\"us\"", "\"U S\""),
        text.replace(secret, other["private_key"].as_str().unwrap()),
        text.replace(secret, "AAAA"),
        text.replace("private_key\"", "privat_key\""),
        text.replace("\"v\": 1", "\"v\": 2"),
        text.replace("dmwatch-private-key", "pgp"),
        text.replace("HKDF", "MD5"),
        text.replace(&format!("\"{secret}\""), "17"),
        format!("{text}{text}"),
        "x".repeat(20_000),
    ];
    for changed in changes {
        assert_ne!(changed, text);
        fs::write(&us.private, &changed).unwrap();
        let fault = key_file::read_private(&us.private).err().unwrap();
        let mut shown = format!("{fault} {fault:?}");
        shown.push_str(&key_file::inspect(&us.private).unwrap_err().to_string());
        assert!(!shown.contains(secret), "{shown}");
    }
}

#[test]
fn inspection_shows_nothing_private() {
    let directory = tempfile::tempdir().unwrap();
    let key = PrivateKey::generate(Purpose::DeadLetter).unwrap();
    let files = key_file::create(directory.path(), &key).unwrap();
    let private = key_file::inspect(&files.private).unwrap();
    let public = key_file::inspect(&files.public).unwrap();
    assert_eq!((private.half, public.half), ("private", "public"));
    assert_eq!(private.key_id, public.key_id);
    assert!(private.signs_replays);
    let shown = serde_json::to_string(&private).unwrap();
    assert!(!shown.contains(&encode(key.hpke_bytes().as_ref())));
    assert!(!shown.contains(&encode(&key.signing_seed().unwrap().unwrap())));
}
