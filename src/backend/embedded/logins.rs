//! Users and passwords for package indexes: what a step's secrets hold, never what the machine has. Pure.

use super::address::{self, Address};

/// Logins by host. Not printable on purpose.
#[derive(Clone, Default)]
pub(super) struct Logins(Vec<Login>);

#[derive(Clone)]
struct Login {
    /// The origin, or only the host; `None` for any.
    of: Of,
    user: String,
    password: String,
}

#[derive(Clone, PartialEq, Eq)]
enum Of {
    Origin(String),
    Host(String),
    Any,
}

impl Logins {
    /// Reads a `.netrc`: `machine HOST login USER password PASSWORD`, and `default`.
    pub(super) fn netrc(text: &str) -> Self {
        let mut logins = Vec::new();
        // A macro ends with an empty line.
        let mut is_macro = false;
        let mut words = Vec::new();
        for line in text.lines() {
            is_macro &= !line.trim().is_empty();
            if is_macro || line.trim_start().starts_with('#') {
                continue;
            }
            is_macro = line.split_whitespace().any(|word| word == "macdef");
            words.extend(line.split_whitespace().take_while(|word| *word != "macdef"));
        }
        let mut words = words.into_iter();
        while let Some(word) = words.next() {
            let of = match word {
                "machine" => words.next().map(|host| Of::Host(host.to_lowercase())),
                "default" => Some(Of::Any),
                _ => None,
            };
            if let Some(of) = of {
                let (user, password) = (String::new(), String::new());
                logins.push(Login { of, user, password });
                continue;
            }
            let value = matches!(word, "login" | "user" | "password" | "account");
            let value = value.then(|| words.next()).flatten();
            if let (Some(last), Some(value)) = (logins.last_mut(), value) {
                match word {
                    "password" => last.password = unquoted(value),
                    "login" | "user" => last.user = unquoted(value),
                    _ => {}
                }
            }
        }
        Self(logins)
    }

    /// Reads a URL, and keeps the login in it for its origin.
    pub(super) fn read(&mut self, url: &str) -> Result<Address, String> {
        let (address, login) = address::read(url)?;
        if let Some((user, password)) = login {
            let of = Of::Origin(address.origin());
            self.0.insert(0, Login { of, user, password });
        }
        Ok(address)
    }

    /// User and password for an address.
    pub(super) fn of(&self, address: &Address) -> Option<(&str, &str)> {
        let fits = |login: &&Login| match &login.of {
            Of::Origin(origin) => *origin == address.origin(),
            Of::Host(host) => host == address.host(),
            Of::Any => true,
        };
        let found = self.0.iter().find(fits)?;
        Some((&found.user, &found.password))
    }
}

fn unquoted(value: &str) -> String {
    let inner = value.strip_prefix('"').and_then(|it| it.strip_suffix('"'));
    inner.unwrap_or(value).to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_netrc_is_read_as_curl_reads_it() {
        let text = "# machine no.example login x password y\nmachine A.example login u\n  password \"p w\nmacdef init\nmachine b\n\n\
                    machine c.example\tlogin v password w account z\ndefault login any password one";
        let logins = Logins::netrc(text);
        let of = |url: &str| {
            let login = logins.of(&address::read(url).unwrap().0);
            login.map(|(user, password)| format!("{user}:{password}"))
        };
        assert_eq!(of("https://a.example:8443/x").as_deref(), Some("u:\"p"));
        assert_eq!(of("https://c.example/").as_deref(), Some("v:w"));
        assert_eq!(of("https://no.example/").as_deref(), Some("any:one"));
        assert!(
            Logins::netrc("machine")
                .of(&address::read("https://a/").unwrap().0)
                .is_none()
        );
    }

    #[test]
    fn a_login_in_a_url_is_for_its_origin() {
        let mut logins = Logins::netrc("machine h login a password b");
        let index = logins.read("https://u:p@h/simple").unwrap();
        assert_eq!(logins.of(&index), Some(("u", "p")));
        let other = address::read("http://h/simple").unwrap().0;
        assert_eq!(logins.of(&other), Some(("a", "b")));
    }
}
