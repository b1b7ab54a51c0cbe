//! Certificates and passwords of a secure cluster, made for it alone.

use std::path::{Path, PathBuf};

use rcgen::{
    BasicConstraints, CertificateParams, CertifiedIssuer, DnType, ExtendedKeyUsagePurpose, IsCa,
    KeyPair, KeyUsagePurpose,
};

/// The one SCRAM user.
pub const USER: &str = "dmwatch";
/// Its password, which must never appear in a log.
pub const PASSWORD: &str = "correct-horse-7f21c9";

/// Files in PEM, for the brokers and for clients.
pub struct Secrets {
    /// The authority that signed the brokers' and the client's certificates.
    pub authority: PathBuf,
    /// An authority that signed none of them.
    pub stranger: PathBuf,
    /// A client certificate and its key.
    pub client_certificate: PathBuf,
    pub client_key: PathBuf,
    broker: PathBuf,
}

impl Secrets {
    pub(super) fn generate(folder: &Path) -> Self {
        let authority = authority("dmwatch test authority");
        let stranger = self::authority("an unrelated authority");
        let (broker_certificate, broker_key) =
            issue(&authority, "localhost", ExtendedKeyUsagePurpose::ServerAuth);
        let (client_certificate, client_key) =
            issue(&authority, USER, ExtendedKeyUsagePurpose::ClientAuth);
        let write = |name: &str, content: String| {
            let path = folder.join(name);
            std::fs::write(&path, content).expect("written");
            path
        };
        Self {
            broker: write("broker.pem", broker_key + &broker_certificate),
            client_certificate: write("client.pem", client_certificate),
            client_key: write("client-key.pem", client_key),
            authority: write("authority.pem", authority.pem()),
            stranger: write("stranger.pem", stranger.pem()),
        }
    }

    pub(super) fn broker_properties(&self) -> String {
        format!(
            "\
sasl.enabled.mechanisms=SCRAM-SHA-512
ssl.keystore.type=PEM
ssl.keystore.location={broker}
ssl.truststore.type=PEM
ssl.truststore.location={authority}
listener.name.mutual.ssl.client.auth=required
listener.name.secure.scram-sha-512.sasl.jaas.config=org.apache.kafka.common.security.scram.ScramLoginModule required;
",
            broker = self.broker.display(),
            authority = self.authority.display(),
        )
    }
}

pub(super) fn scram_credential() -> String {
    format!("SCRAM-SHA-512=[name={USER},password={PASSWORD}]")
}

type Authority = CertifiedIssuer<'static, KeyPair>;

fn authority(name: &str) -> Authority {
    let mut params = named(name);
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
    let key = KeyPair::generate().expect("a key");
    CertifiedIssuer::self_signed(params, key).expect("a certificate")
}

/// Certificate and key in PEM.
fn issue(authority: &Authority, name: &str, usage: ExtendedKeyUsagePurpose) -> (String, String) {
    let mut params = named(name);
    params.extended_key_usages = vec![usage];
    let key = KeyPair::generate().expect("a key");
    let certificate = params.signed_by(&key, authority).expect("a certificate");
    (certificate.pem(), key.serialize_pem())
}

fn named(name: &str) -> CertificateParams {
    let mut params = CertificateParams::new(vec![name.replace(' ', "-")]).expect("a host name");
    params.distinguished_name.push(DnType::CommonName, name);
    params
}
