//! Plain tables: columns as wide as their widest cell, two spaces between, nothing drawn.

const GAP: &str = "  ";

/// Prints `rows` below `head`. What is empty is a dash, so that each row has as many words.
pub(crate) fn print<const N: usize>(head: [&str; N], rows: impl IntoIterator<Item = [String; N]>) {
    let rows: Vec<[String; N]> =
        std::iter::once(head.map(str::to_owned)).chain(rows.into_iter().map(|row| row.map(cell))).collect();
    let widths: [usize; N] =
        std::array::from_fn(|n| rows.iter().map(|row| row[n].chars().count()).max().unwrap_or(0));
    for row in &rows {
        let line: Vec<String> =
            row.iter().zip(widths).map(|(cell, width)| format!("{cell:<width$}")).collect();
        println!("{}", line.join(GAP).trim_end());
    }
}

/// What others have written may hold what moves a terminal's cursor.
fn cell(text: String) -> String {
    match text.is_empty() {
        true => "-".into(),
        false => text.chars().map(|c| if c.is_control() { '\u{fffd}' } else { c }).collect(),
    }
}
