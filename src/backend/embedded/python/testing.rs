//! Targets for tests.

use super::{Libc, Scheme, Target};
use crate::backend::platform::Platform;

pub(super) fn target(version: (u32, u32), platform: &str, libc: Libc) -> Target {
    let site = format!("/usr/lib/python{}.{}/site-packages", version.0, version.1);
    Target {
        version,
        full_version: None,
        platform: Platform::read(platform),
        libc,
        interpreter: "/usr/bin/python3".to_owned(),
        scheme: Scheme {
            purelib: site.clone(),
            platlib: site,
            scripts: "/usr/bin".to_owned(),
            headers: "/usr/include".to_owned(),
            data: "/usr".to_owned(),
        },
    }
}

/// A text with parts removed, doubled and replaced, the same each time.
pub(super) fn mangled(text: &str) -> impl Iterator<Item = String> + '_ {
    const ODD: [&str; 10] = [
        "",
        "\"",
        "{",
        "[",
        "]]",
        "\n",
        "\u{0}",
        "é",
        "99999999999999999999",
        "'",
    ];
    let ends: Vec<usize> = text.char_indices().map(|(at, _)| at).collect();
    let count = ends.len();
    (0..count.min(3000)).map(move |round| {
        let from = ends[round * 7919 % count];
        let to = ends[(round * 7919 + round % 23) % count].max(from);
        let odd = ODD[round % ODD.len()];
        match round % 3 {
            0 => format!("{}{odd}{}", &text[..from], &text[to..]),
            1 => format!("{}{odd}", &text[..from]),
            _ => format!("{}{}{}", &text[..to], odd.repeat(3), &text[from..]),
        }
    })
}
