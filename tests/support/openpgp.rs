//! OpenPGP keys made on the spot: with any end, and as good as those of a provider.

use pgp::composed::{
    ArmorOptions, DetachedSignature, KeyType, SecretKeyParamsBuilder, SignedKeyDetails, SignedPublicKey,
    SignedSecretKey,
};
use pgp::crypto::hash::HashAlgorithm;
use pgp::packet::{KeyFlags, SignatureConfig, SignatureType, Subpacket, SubpacketData};
use pgp::types::{Duration, KeyDetails, Password, SignedUser, Tag, Timestamp};
use rand08::thread_rng;

const DAY: u32 = 24 * 3_600;

/// A key that signs.
pub struct Signer {
    secret: SignedSecretKey,
    public: SignedPublicKey,
}

impl Signer {
    /// A key without an end.
    pub fn lasting() -> Self {
        Self::new(10, None)
    }

    /// A key made `age` days ago that lasts `days` from then on.
    pub fn new(age: u32, days: Option<u32>) -> Self {
        let created = Timestamp::from_secs(Timestamp::now().as_secs() - age * DAY);
        let mut params = SecretKeyParamsBuilder::default();
        params
            .key_type(KeyType::Ed25519Legacy)
            .can_certify(true)
            .can_sign(true)
            .created_at(created)
            .primary_user_id("CSAF <csaf@vendor.example>".into());
        let secret = params.build().expect("sound parameters").generate(thread_rng()).expect("a key");
        let user = secret.details.users[0].id.clone();
        let mut flags = KeyFlags::default();
        flags.set_sign(true);
        flags.set_certify(true);
        let mut said = vec![
            SubpacketData::SignatureCreationTime(created),
            SubpacketData::IssuerFingerprint(secret.primary_key.fingerprint()),
            SubpacketData::KeyFlags(flags),
        ];
        said.extend(days.map(|days| SubpacketData::KeyExpirationTime(Duration::from_secs(days * DAY))));
        let mut config =
            SignatureConfig::v4(SignatureType::CertPositive, secret.primary_key.algorithm(), HashAlgorithm::Sha512);
        config.hashed_subpackets =
            said.into_iter().map(|data| Subpacket::regular(data).expect("a subpacket")).collect();
        let public = secret.primary_key.public_key();
        let bound = config
            .sign_certification(&secret.primary_key, public, &Password::empty(), Tag::UserId, &user)
            .expect("a certification");
        let details = SignedKeyDetails::new(vec![], vec![], vec![SignedUser::new(user, vec![bound])], vec![]);
        Self { public: SignedPublicKey::new(public.clone(), details, vec![]), secret }
    }

    /// The fingerprint, as metadata state it.
    pub fn fingerprint(&self) -> String {
        self.public.fingerprint().to_string().to_uppercase()
    }

    /// The public key, armored.
    pub fn key(&self) -> String {
        self.public.to_armored_string(ArmorOptions::default()).expect("an armored key")
    }

    /// A detached signature over `document`, armored.
    pub fn sign(&self, document: &[u8]) -> String {
        let signature = DetachedSignature::sign_binary_data(
            thread_rng(),
            &self.secret.primary_key,
            &Password::empty(),
            HashAlgorithm::Sha512,
            document,
        );
        signature.expect("a signature").to_armored_string(ArmorOptions::default()).expect("an armored signature")
    }
}
