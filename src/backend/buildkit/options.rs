//! `builder-options`: build options other than fields of the image, named as in `docker build`.
//!
//! Pure. An unknown option, or a value that the daemon would misread, is reported before anything is built.

pub(crate) const KNOWN: [&str; 3] = ["network", "add-host", "shm-size"];

/// The frontend's attribute for an option; `None` if the value is the default.
pub(crate) fn attribute(name: &str, value: &str) -> Result<Option<(&'static str, String)>, String> {
    match name {
        "network" => match value {
            "default" => Ok(None),
            "none" | "host" => Ok(Some(("force-network-mode", value.to_owned()))),
            _ => Err("`network` must be `default`, `none` or `host`".to_owned()),
        },
        "add-host" => Ok(Some(("add-hosts", hosts(value)?))),
        "shm-size" => Ok(Some(("shm-size", bytes(value)?.to_string()))),
        _ => {
            let known = KNOWN.map(|name| format!("`{name}`")).join(", ");
            Err(format!("it has no option `{name}`, only {known}"))
        }
    }
}

/// The arguments of `docker build` for a valid option; empty for the default.
pub(crate) fn arguments(name: &str, value: &str) -> Vec<String> {
    match attribute(name, value) {
        Ok(Some(("add-hosts", hosts))) => hosts
            .split(',')
            .map(|host| format!("--add-host={}", host.replacen('=', ":", 1)))
            .collect(),
        Ok(Some((_, value))) => vec![format!("--{name}={value}")],
        Ok(None) | Err(_) => Vec::new(),
    }
}

/// Parses a comma-separated list of `name:address` or `name=address`.
fn hosts(value: &str) -> Result<String, String> {
    let mut hosts = Vec::new();
    for host in value.split(',') {
        let pair = host.trim().split_once(['=', ':']);
        let good = pair.filter(|(name, address)| {
            let is_name = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | '_');
            let is_address = address.parse::<std::net::IpAddr>().is_ok();
            !name.is_empty()
                && name.chars().all(is_name)
                && (is_address || *address == "host-gateway")
        });
        let Some((name, address)) = good else {
            return Err(format!("`{}` is not `name:address`", host.trim()));
        };
        hosts.push(format!("{name}={address}"));
    }
    Ok(hosts.join(","))
}

fn bytes(value: &str) -> Result<u64, String> {
    let digits = value.trim_end_matches(|c: char| c.is_ascii_alphabetic());
    let unit = match value[digits.len()..].to_ascii_lowercase().as_str() {
        "" | "b" => Some(1),
        "k" | "kb" => Some(1 << 10),
        "m" | "mb" => Some(1 << 20),
        "g" | "gb" => Some(1 << 30),
        _ => None,
    };
    let size = digits.parse::<u64>().ok().zip(unit);
    size.and_then(|(number, unit)| number.checked_mul(unit))
        .filter(|bytes| *bytes > 0)
        .ok_or_else(|| "`shm-size` must be a number of bytes, such as `64m`".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn options_become_what_the_daemon_is_told() {
        let told = |name, value| attribute(name, value).unwrap();
        assert_eq!(told("network", "default"), None);
        assert_eq!(
            told("network", "host"),
            Some(("force-network-mode", "host".into()))
        );
        assert_eq!(
            told("shm-size", "64m"),
            Some(("shm-size", "67108864".into()))
        );
        let hosts = "index:10.0.0.1, db=::1";
        assert_eq!(
            told("add-host", hosts),
            Some(("add-hosts", "index=10.0.0.1,db=::1".into()))
        );
        assert_eq!(
            arguments("add-host", hosts),
            ["--add-host=index:10.0.0.1", "--add-host=db:::1"]
        );
        assert_eq!(arguments("network", "none"), ["--network=none"]);
        assert!(arguments("network", "default").is_empty());
    }

    #[test]
    fn what_makes_no_sense_is_refused() {
        for (name, value) in [
            ("network", "bridge"),
            ("add-host", "index"),
            ("add-host", "index:somewhere"),
            ("shm-size", "0"),
            ("shm-size", "much"),
            ("imagepull_secret_name", "x"),
        ] {
            assert!(attribute(name, value).is_err(), "{name} {value}");
        }
    }
}
