//! Parses just enough shell syntax to find the commands of a line.

/// The simple commands of a line as unquoted words, without leading assignments and words such as `sudo` or `then`.
pub(super) fn commands(line: &str) -> Vec<Vec<String>> {
    let mut found = Vec::new();
    let mut words: Vec<String> = Vec::new();
    let mut word: Option<String> = None;
    let mut letters = line.chars().peekable();
    while let Some(letter) = letters.next() {
        match letter {
            '\'' | '"' => {
                let text = word.get_or_insert_default();
                quoted(letter, &mut letters, text);
            }
            '\\' => match letters.next() {
                Some('\n') | None => {}
                Some(next) => word.get_or_insert_default().push(next),
            },
            ';' | '&' | '|' | '\n' | '(' | ')' | '`' => {
                words.extend(word.take());
                found.push(std::mem::take(&mut words));
            }
            '#' if word.is_none() => while letters.next_if(|next| *next != '\n').is_some() {},
            letter if letter.is_whitespace() => words.extend(word.take()),
            letter => word.get_or_insert_default().push(letter),
        }
    }
    words.extend(word);
    found.push(words);
    let found = found.into_iter().map(without_prefix);
    found.filter(|words| !words.is_empty()).collect()
}

/// Reads the rest of a quoted string.
fn quoted(quote: char, letters: &mut impl Iterator<Item = char>, text: &mut String) {
    while let Some(letter) = letters.next() {
        match letter {
            letter if letter == quote => return,
            '\\' if quote == '"' => text.extend(letters.next()),
            letter => text.push(letter),
        }
    }
}

fn without_prefix(words: Vec<String>) -> Vec<String> {
    const BEFORE: [&str; 14] = [
        "sudo", "env", "exec", "command", "time", "!", "{", "if", "then", "else", "elif", "do",
        "while", "until",
    ];
    let is_before = |word: &String| BEFORE.contains(&word.as_str()) || is_assignment(word);
    words.into_iter().skip_while(is_before).collect()
}

fn is_assignment(word: &str) -> bool {
    let name = word.split_once('=').map_or("", |(name, _)| name);
    !name.is_empty() && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_')
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(line: &str) -> Vec<String> {
        commands(line).iter().map(|words| words.join(" ")).collect()
    }

    #[test]
    fn commands_are_told_from_words() {
        assert_eq!(
            read(
                "apt-get update&&DEBIAN_FRONTEND=noninteractive apt-get install -y 'a b' | tee x; echo \"apt-get install; c\""
            ),
            [
                "apt-get update",
                "apt-get install -y a b",
                "tee x",
                "echo apt-get install; c"
            ]
        );
        assert_eq!(
            read("if ! which git; then sudo apt install git; fi # apt install x\n(cd /x && make)"),
            ["which git", "apt install git", "fi", "cd /x", "make"]
        );
        assert_eq!(
            read("a \\\n  b\\ c $(pip install x)"),
            ["a b c $", "pip install x"]
        );
        assert_eq!(read(""), [""; 0]);
        assert_eq!(read("echo 'never closed"), ["echo never closed"]);
    }
}
