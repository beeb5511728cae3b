//! The blocks of code in the documents.

use std::fmt;
use std::path::{Path, PathBuf};
use std::process::Command;

/// A block of code, and where it is.
pub(crate) struct Block {
    pub(crate) path: PathBuf,
    pub(crate) line: usize,
    pub(crate) language: String,
    pub(crate) text: String,
}

impl fmt::Display for Block {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.path.display(), self.line)
    }
}

pub(crate) fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// All documents that are kept: what git knows, and what it would add.
pub(crate) fn documents() -> Vec<PathBuf> {
    let listed = Command::new("git")
        .args(["ls-files", "--cached", "--others", "--exclude-standard", "*.md"])
        .current_dir(root())
        .output()
        .expect("git runs");
    let paths = String::from_utf8(listed.stdout).expect("text");
    let paths: Vec<PathBuf> =
        paths.lines().map(|path| root().join(path)).filter(|path| path.exists()).collect();
    assert!(paths.len() > 10, "{paths:?}");
    paths
}

/// Every fenced block of every document.
pub(crate) fn all() -> Vec<Block> {
    documents().iter().flat_map(|path| of(path)).collect()
}

fn of(path: &Path) -> Vec<Block> {
    let text = std::fs::read_to_string(path).expect("a document");
    let mut blocks: Vec<Block> = Vec::new();
    let mut is_open = false;
    for (index, line) in text.lines().enumerate() {
        match line.trim_start().strip_prefix("```") {
            Some(_) if is_open => is_open = false,
            Some(language) => {
                is_open = true;
                let (path, language) = (path.to_owned(), language.to_owned());
                blocks.push(Block { path, line: index + 1, language, text: String::new() });
            }
            None if is_open => {
                let block = blocks.last_mut().expect("one is open");
                block.text.push_str(line);
                block.text.push('\n');
            }
            None => {}
        }
    }
    assert!(!is_open, "{}: a block is not closed", path.display());
    blocks
}
