//! Detects values that look like secrets, by their name or because they start like tokens of well-known services.

/// Final words of names whose values are secrets.
const NAMES: [&str; 13] = [
    "TOKEN",
    "PASSWORD",
    "PASSWD",
    "PASSPHRASE",
    "SECRET",
    "SECRET_KEY",
    "API_KEY",
    "APIKEY",
    "PRIVATE_KEY",
    "ACCESS_KEY",
    "AUTH_KEY",
    "ENCRYPTION_KEY",
    "CREDENTIALS",
];

/// Prefixes of tokens of well-known services, and the minimum length of these tokens.
const TOKENS: [(&str, usize); 19] = [
    ("ghp_", 30),
    ("gho_", 30),
    ("ghu_", 30),
    ("ghs_", 30),
    ("ghr_", 30),
    ("github_pat_", 30),
    ("glpat-", 20),
    ("AKIA", 20),
    ("ASIA", 20),
    ("xoxb-", 20),
    ("xoxp-", 20),
    ("sk-", 24),
    ("sk_live_", 20),
    ("hf_", 20),
    ("AIza", 35),
    ("npm_", 30),
    ("pypi-", 30),
    ("dckr_pat_", 20),
    ("eyJhbGciOi", 40),
];

/// Why a value looks like a secret, without revealing the value.
pub(crate) fn looks_secret(name: &str, value: &str) -> Option<&'static str> {
    let is_token = |(prefix, length): &(&str, usize)| {
        value.starts_with(prefix) && value.len() >= *length && !value.contains(char::is_whitespace)
    };
    if TOKENS.iter().any(is_token) {
        return Some("it starts like a token of a well-known service");
    }
    if value.contains("-----BEGIN ") && value.contains("PRIVATE KEY-----") {
        return Some("it is a private key");
    }
    let name = name.to_ascii_uppercase().replace('-', "_");
    let ends_so = |end: &&str| {
        let before = name.strip_suffix(*end);
        before.is_some_and(|before| before.is_empty() || before.ends_with('_'))
    };
    (NAMES.iter().any(ends_so) && !is_harmless(value)).then_some("its name suggests a secret")
}

/// Whether a value cannot be a secret: empty, a boolean, a small number, a path, a variable, or a placeholder in angle
/// brackets (`PAD_TOKEN="<pad>"`).
fn is_harmless(value: &str) -> bool {
    const WORDS: [&str; 8] = ["true", "false", "yes", "no", "on", "off", "none", "null"];
    let is_number = value.len() <= 5 && value.bytes().all(|byte| byte.is_ascii_digit());
    value.trim().is_empty()
        || is_number
        || WORDS.contains(&value.to_ascii_lowercase().as_str())
        || value.starts_with(['/', '<', '$', '[', '%'])
        || value.starts_with("./")
        || value.starts_with("~/")
}

#[cfg(test)]
mod tests {
    use super::looks_secret;

    #[test]
    fn secrets_are_seen_by_name_and_by_value() {
        for (name, value) in [
            ("API_TOKEN", "abc"),
            ("token", "abc"),
            ("DB_PASSWORD", "hunter2"),
            ("AWS_SECRET_ACCESS_KEY", "x"),
            ("OPENAI_API_KEY", "k"),
            ("CLIENT_SECRET", "0123456"),
            ("ANYTHING", "ghp_0123456789012345678901234567890123456789"),
            ("KEY_FILE", "-----BEGIN RSA PRIVATE KEY-----\nx"),
        ] {
            assert!(looks_secret(name, value).is_some(), "{name}");
        }
        for (name, value) in [
            ("API_TOKEN", ""),
            ("API_TOKEN_FILE", "/run/secrets/token"),
            ("TOKEN", "/run/secrets/token"),
            ("USE_TOKEN", "true"),
            ("MAX_TOKEN", "4096"),
            ("PAD_TOKEN", "<pad>"),
            ("MASK_TOKEN", "[MASK]"),
            ("TOKENIZERS_PARALLELISM", "false"),
            ("SECRETS_DIR", "secrets"),
            ("MONKEY", "x"),
            ("API_KEY", "$OTHER"),
            ("MODE", "sk-"),
            ("NOTE", "hf_ is how tokens begin here"),
        ] {
            assert!(looks_secret(name, value).is_none(), "{name}");
        }
    }
}
