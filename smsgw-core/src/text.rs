//! Text that came from outside and is to be read by people.

/// The longest text that is kept, in characters.
const MAX_CHARS: usize = 256;

/// `text` as one line of at most 256 characters: control characters and invisible direction marks are escaped.
pub fn printable(text: &str) -> String {
    let mut line = String::with_capacity(text.len().min(MAX_CHARS));
    let mut chars = 0;
    for c in text.chars() {
        let escaped: String = if c.is_control()
            || matches!(c, '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
        {
            c.escape_unicode().collect()
        } else {
            c.into()
        };
        let width = escaped.chars().count();
        if chars + width > MAX_CHARS {
            break;
        }
        chars += width;
        line.push_str(&escaped);
    }
    line
}

#[cfg(test)]
mod tests {
    use super::printable;

    #[test]
    fn one_line_of_bounded_length() {
        assert_eq!(printable("no service"), "no service");
        assert_eq!(printable("a\n\x1b[1m\u{202e}"), "a\\u{a}\\u{1b}[1m\\u{202e}");
        assert_eq!(printable(&"ñ".repeat(1_000)).chars().count(), 256);
    }
}
