//! The counts that are held to be right: `benches/counts/baseline.txt`.

use std::fmt::Write as _;
use std::io;
use std::process::Command;

use libtest_mimic::Trial;

const PATH: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/baseline.txt");
/// Set to anything, the counts of today become the baseline.
pub(crate) const ACCEPT: &str = "SMSGW_ACCEPT_COUNTS";
/// How much more than the baseline passes, in percent: by the same compiler, and by another.
const ALLOWED: [u64; 2] = [5, 40];
/// What the smallest part may differ by before a percentage means anything.
const NOISE: u64 = 10;

/// Instructions of a round, by part, and the compiler that they are of.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Baseline {
    pub(crate) compiler: String,
    pub(crate) counts: Vec<(String, u64)>,
}

impl Baseline {
    pub(crate) fn read() -> io::Result<Self> {
        Self::parse(&std::fs::read_to_string(PATH)?)
            .ok_or_else(|| io::Error::other(format!("{PATH} is none")))
    }

    pub(crate) fn write(&self) -> io::Result<()> {
        std::fs::write(PATH, self.text())
    }

    fn parse(text: &str) -> Option<Self> {
        let mut lines = text.lines();
        let compiler = lines.next()?.to_owned();
        let count = |line: &str| {
            let (part, count) = line.split_once(' ')?;
            Some((part.to_owned(), count.parse().ok()?))
        };
        Some(Self { compiler, counts: lines.map(count).collect::<Option<_>>()? })
    }

    fn text(&self) -> String {
        let lines = self.counts.iter().map(|(part, count)| format!("{part} {count}\n"));
        format!("{}\n{}", self.compiler, lines.collect::<String>())
    }

    /// # Errors
    /// What takes more than it may, and what to do about it.
    pub(crate) fn judge(&self, compiler: &str, counts: &[(String, u64)]) -> Result<(), String> {
        let allowed = ALLOWED[usize::from(compiler != self.compiler)];
        let mut faults = String::new();
        for (part, count) in counts {
            let Some((_, expected)) = self.counts.iter().find(|(name, _)| name == part) else {
                let _ = writeln!(faults, "{part}: {count} instructions, and no count to hold them against");
                continue;
            };
            if *count > expected + expected * allowed / 100 + NOISE {
                let percent = (*count - expected) * 100 / (*expected).max(1);
                let _ = writeln!(
                    faults,
                    "{part}: {count} instructions, {percent} % more than {expected}; {allowed} % are allowed"
                );
            }
        }
        if faults.is_empty() {
            return Ok(());
        }
        if compiler != self.compiler {
            let _ = writeln!(faults, "The counts are of {}, this is {compiler}.", self.compiler);
        }
        Err(format!(
            "{faults}Where that is meant, accept today's counts by `{ACCEPT}=1 cargo test -p smsgw-counts`, and commit \
             benches/counts/baseline.txt with the reason."
        ))
    }
}

/// The compiler, as it names itself.
pub(crate) fn compiler() -> io::Result<String> {
    let program = std::env::var_os("RUSTC").unwrap_or_else(|| "rustc".into());
    let said = Command::new(program).arg("-V").output()?;
    Ok(String::from_utf8_lossy(&said.stdout).trim().to_owned())
}

fn baseline() -> Baseline {
    Baseline { compiler: "rustc 1".into(), counts: vec![("one".into(), 1_000), ("two".into(), 10)] }
}

/// What holds of the judgement itself.
pub(crate) fn trials() -> Vec<Trial> {
    let judged = |compiler: &str, part: &str, count| baseline().judge(compiler, &[(part.into(), count)]);
    vec![
        Trial::test("a_few_more_pass", move || Ok(judged("rustc 1", "one", 1_060)?)),
        Trial::test("more_than_allowed_is_named_with_the_cure", move || {
            let why = judged("rustc 1", "one", 1_061).expect_err("6 % more");
            assert!(why.starts_with("one: 1061 instructions, 6 % more than 1000;"), "{why}");
            assert!(why.contains(ACCEPT), "{why}");
            Ok(())
        }),
        Trial::test("another_compiler_is_allowed_more", move || {
            judged("rustc 2", "one", 1_400)?;
            let why = judged("rustc 2", "one", 1_500).expect_err("half as much again");
            assert!(why.contains("The counts are of rustc 1, this is rustc 2."), "{why}");
            Ok(())
        }),
        Trial::test("a_new_part_must_be_accepted", move || {
            judged("rustc 1", "three", 1).expect_err("nobody knows it");
            Ok(())
        }),
        Trial::test("what_is_written_reads_back", || {
            assert_eq!(Baseline::parse(&baseline().text()), Some(baseline()));
            Ok(())
        }),
    ]
}
