//! What a document links to is there.

use crate::blocks::{documents, root};

#[test]
fn every_link_within_the_repository_leads_somewhere() {
    let mut checked = 0;
    for path in documents() {
        let text = std::fs::read_to_string(&path).expect("a document");
        for link in text.split("](").skip(1).filter_map(|rest| rest.split(')').next()) {
            let (target, anchor) = link.split_once('#').unwrap_or((link, ""));
            // Paths of Rust items are held by rustdoc.
            if target.contains("://") || target.contains("::") || target.starts_with("mailto:") {
                continue;
            }
            let place = match target {
                "" => path.clone(),
                target => path.parent().expect("a directory").join(target),
            };
            assert!(place.exists(), "{}: {link} leads nowhere", path.display());
            let is_document = place.extension().is_some_and(|kind| kind == "md");
            if is_document && !anchor.is_empty() {
                let target = std::fs::read_to_string(&place).expect("a document");
                assert!(
                    anchors(&target).any(|name| name == anchor),
                    "{}: no heading for {link}",
                    path.display()
                );
            }
            checked += 1;
        }
    }
    assert!(checked > 20, "only {checked} links below {}", root().display());
}

/// The names of headings, as GitHub makes them.
fn anchors(text: &str) -> impl Iterator<Item = String> {
    let headings = text.lines().filter(|line| line.starts_with('#'));
    headings.map(|line| {
        let words = line.trim_start_matches('#').trim().to_lowercase();
        words
            .chars()
            .filter(|c| c.is_alphanumeric() || matches!(c, ' ' | '-' | '_'))
            .collect::<String>()
            .replace(' ', "-")
    })
}
