//! Keys and the signatures of archives. The only user of `pgp`.
//!
//! As apt has it: one good signature of a key that counts is enough, those of unknown keys do not matter, a wrong one of a
//! known key is fatal. Keys must not be revoked or expired now, and must be for signing.

use std::collections::BTreeSet;
use std::io::Cursor;

use pgp::composed::PublicOrSecret;
use pgp::composed::{CleartextSignedMessage, SignedPublicKey, SignedPublicSubKey};
use pgp::crypto::hash::HashAlgorithm;
use pgp::packet::{Signature, SignatureType};
use pgp::types::{KeyDetails, Tag, Timestamp, VerifyingKey};

/// Debian's own keys, of the package `debian-archive-keyring`: for a base from nothing. Keys are nobody's work, so no licence
/// covers them.
pub(super) const DEBIAN: &[u8] = include_bytes!("debian-archive-keyring.gpg");

/// The largest signed text, in bytes.
const LARGEST: usize = 32 << 20;

/// The most signatures of a text.
const MOST: usize = 32;

const BEGIN: &str = "-----BEGIN PGP SIGNED MESSAGE-----";
const SIGNATURE: &str = "-----BEGIN PGP SIGNATURE-----";
const END: &str = "-----END PGP SIGNATURE-----";

/// Keys whose signatures count.
#[derive(Debug, Default)]
pub(super) struct Keyring {
    keys: Vec<SignedPublicKey>,
    /// If there are any, only these count.
    only: BTreeSet<String>,
}

/// What a key says about a signature.
enum Verdict {
    Good,
    /// It is of another key.
    Other,
    /// It is of this key, and does not count.
    Worthless(String),
    Wrong,
}

impl Keyring {
    /// Adds the keys of a file: binary, or as text.
    pub(super) fn add(&mut self, bytes: &[u8]) -> Result<(), String> {
        let unread = |error: pgp::errors::Error| format!("its keys cannot be read: {error}");
        let (all, _) = PublicOrSecret::from_reader_many(Cursor::new(bytes)).map_err(unread)?;
        for key in all {
            match key.map_err(unread)? {
                PublicOrSecret::Public(key) => self.keys.push(key),
                PublicOrSecret::Secret(_) => return Err("it holds a secret key".to_owned()),
            }
        }
        Ok(())
    }

    /// Lets only this key count, by its fingerprint in capitals; with `!` only itself, without its subkeys.
    pub(super) fn limit(&mut self, fingerprint: &str) {
        self.only.insert(fingerprint.to_owned());
    }

    pub(super) fn is_empty(&self) -> bool {
        self.keys.is_empty()
    }

    /// The text of a signed message, if it is signed as it should be. `now` is in seconds since 1970.
    pub(super) fn verify(&self, message: &str, now: i64) -> Result<String, String> {
        let text = framed(message)?;
        let unread = |error| format!("its signature cannot be read: {error}");
        let (message, _) = CleartextSignedMessage::from_string(text).map_err(unread)?;
        let signatures = message.signatures();
        if signatures.len() > MOST {
            return Err(format!("it has more than {MOST} signatures"));
        }
        let signed = message.signed_text();
        let mut is_good = false;
        let mut worthless = Vec::new();
        for signature in signatures {
            match self.judge(signature, signed.as_bytes(), now) {
                Verdict::Good => is_good = true,
                Verdict::Wrong => {
                    let who = issuer(signature);
                    return Err(format!(
                        "the signature of {who} is wrong: the text was changed after it was signed"
                    ));
                }
                Verdict::Other => {
                    worthless.push(format!("{} is not among the keys", issuer(signature)));
                }
                Verdict::Worthless(why) => worthless.push(why),
            }
        }
        match worthless.as_slice() {
            _ if is_good => Ok(signed.replace("\r\n", "\n")),
            [] => Err("it has no signature".to_owned()),
            why => Err(format!(
                "no key that counts has signed it: {}",
                why.join("; ")
            )),
        }
    }

    fn judge(&self, signature: &Signature, text: &[u8], now: i64) -> Verdict {
        let mut verdict = Verdict::Other;
        for key in &self.keys {
            let primary = self.counts(key, true).then(|| check(signature, key, text));
            let mut each = vec![primary.map(|found| (found, usable(key, now)))];
            for subkey in &key.public_subkeys {
                let is_in = self.counts(key, false) || self.counts(subkey, true);
                let found = is_in.then(|| check(signature, subkey, text));
                each.push(found.map(|found| (found, usable_subkey(key, subkey, now))));
            }
            for (found, usable) in each.into_iter().flatten() {
                match (found, usable) {
                    (Verdict::Other, _) => {}
                    (Verdict::Good, Ok(())) => match age(signature, now) {
                        Ok(()) => return Verdict::Good,
                        Err(why) => verdict = Verdict::Worthless(why),
                    },
                    (Verdict::Good, Err(why)) => {
                        verdict = Verdict::Worthless(format!("{} {why}", issuer(signature)));
                    }
                    // Another key may have the same short name.
                    (found, _) if matches!(verdict, Verdict::Other) => verdict = found,
                    _ => {}
                }
            }
        }
        verdict
    }

    /// Whether the signatures of a key count. `exactly` is whether it is the key itself, not one of its subkeys.
    fn counts(&self, key: &impl KeyDetails, exactly: bool) -> bool {
        let own = key.fingerprint().to_string().to_ascii_uppercase();
        self.only.is_empty()
            || self.only.contains(&own)
            || exactly && self.only.contains(&format!("{own}!"))
    }
}

/// The text of a signed message whose signature does not matter, or a text without one.
pub(super) fn unverified(message: &str) -> Result<String, String> {
    if !message.starts_with(BEGIN) {
        return Ok(message.to_owned());
    }
    let unread = |error| format!("its signature cannot be read: {error}");
    let (message, _) = CleartextSignedMessage::from_string(framed(message)?).map_err(unread)?;
    Ok(message.signed_text().replace("\r\n", "\n"))
}

/// A signed message and nothing else: a text before, after or between would look signed to a reader, and is not.
fn framed(message: &str) -> Result<&str, String> {
    if message.len() > LARGEST {
        return Err(format!("it is larger than {} MiB", LARGEST >> 20));
    }
    let message = message.trim_end_matches(['\n', '\r', ' ', '\t']);
    let mut lines = message
        .split('\n')
        .map(|line| line.trim_end_matches(['\r', ' ', '\t']));
    if lines.next() != Some(BEGIN) {
        return Err("it does not begin as a signed text does".to_owned());
    }
    let mut frames = lines.filter(|line| line.starts_with("-----"));
    let is_framed =
        [frames.next(), frames.next(), frames.next()] == [Some(SIGNATURE), Some(END), None];
    if !is_framed || !message.ends_with(END) {
        return Err("there is more in it than one signed text and its signature".to_owned());
    }
    Ok(message)
}

/// Whether this key has made the signature.
fn check(signature: &Signature, key: &impl VerifyingKey, text: &[u8]) -> Verdict {
    let (ids, prints) = (signature.issuer_key_id(), signature.issuer_fingerprint());
    let is_named = prints.iter().any(|print| **print == key.fingerprint())
        || prints.is_empty() && ids.iter().any(|id| **id == key.legacy_key_id());
    if !is_named {
        return Verdict::Other;
    }
    let strong = [
        HashAlgorithm::Sha224,
        HashAlgorithm::Sha256,
        HashAlgorithm::Sha384,
        HashAlgorithm::Sha512,
    ];
    if !signature
        .hash_alg()
        .is_some_and(|hash| strong.contains(&hash))
    {
        return Verdict::Worthless(format!(
            "the signature of {} has a hash that is too weak",
            issuer(signature)
        ));
    }
    if !matches!(
        signature.typ(),
        Some(SignatureType::Binary | SignatureType::Text)
    ) {
        return Verdict::Worthless(format!(
            "the signature of {} is not of a text",
            issuer(signature)
        ));
    }
    match signature.verify(key, text) {
        Ok(()) => Verdict::Good,
        Err(_) => Verdict::Wrong,
    }
}

/// Whether a signature holds now.
fn age(signature: &Signature, now: i64) -> Result<(), String> {
    let who = issuer(signature);
    let Some(made) = signature.created() else {
        return Err(format!("the signature of {who} has no date"));
    };
    let lasts = signature
        .signature_expiration_time()
        .map_or(0, |time| i64::from(time.as_secs()));
    if lasts > 0 && seconds(made) + lasts <= now {
        return Err(format!("the signature of {who} has expired"));
    }
    Ok(())
}

/// Whether a key may sign now, by its own newest word; else why not.
fn usable(key: &SignedPublicKey, now: i64) -> Result<(), String> {
    let primary = &key.primary_key;
    let mut revocations = key.details.revocation_signatures.iter();
    if revocations.any(|one| one.verify_key(primary).is_ok()) {
        return Err("is revoked".to_owned());
    }
    let users = key.details.users.iter();
    let certified = users.flat_map(|user| {
        let own = user.signatures.iter();
        let own = own.filter(|one| {
            one.verify_certification(primary, Tag::UserId, &user.id)
                .is_ok()
        });
        let own: Vec<&Signature> = own.collect();
        let is_revoked = |one: &&Signature| one.typ() == Some(SignatureType::CertRevocation);
        if own.iter().any(is_revoked) {
            Vec::new()
        } else {
            own
        }
    });
    let direct = key.details.direct_signatures.iter();
    let direct = direct.filter(|one| one.verify_key(primary).is_ok());
    lives(primary.created_at(), certified.chain(direct), now)
}

/// Whether a subkey may sign now; else why not.
fn usable_subkey(
    key: &SignedPublicKey,
    subkey: &SignedPublicSubKey,
    now: i64,
) -> Result<(), String> {
    match usable(key, now) {
        // It need not sign itself.
        Err(why) if why != NO_SIGNER => return Err(why),
        _ => {}
    }
    let primary = &key.primary_key;
    let own = subkey.signatures.iter();
    let own = own.filter(|one| one.verify_subkey_binding(primary, &subkey.key).is_ok());
    let (revocations, bindings): (Vec<&Signature>, Vec<&Signature>) =
        own.partition(|one| one.typ() == Some(SignatureType::SubkeyRevocation));
    if !revocations.is_empty() {
        return Err("is revoked".to_owned());
    }
    // A key that signs must agree to belong to the other, so that nobody can claim it.
    let agreed = bindings.into_iter().filter(|one| {
        let back = one.embedded_signature();
        back.is_some_and(|back| {
            back.verify_primary_key_binding(&subkey.key, primary)
                .is_ok()
        })
    });
    lives(subkey.key.created_at(), agreed, now)
}

const NO_SIGNER: &str = "is not for signing";

/// Whether a key with these own signatures may sign now.
fn lives<'a>(
    made: Timestamp,
    own: impl Iterator<Item = &'a Signature>,
    now: i64,
) -> Result<(), String> {
    let dated = own.filter_map(|one| Some((seconds(one.created()?), one)));
    let past = dated.filter(|(time, _)| *time <= now);
    let Some((_, newest)) = past.max_by_key(|(time, _)| *time) else {
        return Err("has no valid signature of itself".to_owned());
    };
    let lasts = newest
        .key_expiration_time()
        .map_or(0, |time| i64::from(time.as_secs()));
    if lasts > 0 && seconds(made) + lasts <= now {
        return Err("has expired".to_owned());
    }
    let flags = newest.key_flags();
    let says_nothing = !flags.sign()
        && !flags.certify()
        && !flags.encrypt_comms()
        && !flags.encrypt_storage()
        && !flags.authentication();
    if !flags.sign() && !says_nothing {
        return Err(NO_SIGNER.to_owned());
    }
    Ok(())
}

fn seconds(time: Timestamp) -> i64 {
    i64::from(time.as_secs())
}

/// The key that a signature names.
fn issuer(signature: &Signature) -> String {
    if let Some(print) = signature.issuer_fingerprint().first() {
        return format!("`{}`", print.to_string().to_ascii_uppercase());
    }
    match signature.issuer_key_id().first() {
        Some(id) => format!("`{}`", id.to_string().to_ascii_uppercase()),
        None => "an unnamed key".to_owned(),
    }
}

#[cfg(test)]
mod tests;
