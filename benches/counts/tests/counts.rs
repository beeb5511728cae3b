//! Counts the instructions of each part under callgrind, and holds them against `baseline.txt`.
//!
//! Counts, unlike times, do not depend on what else the machine does. They do depend on the compiler: with another one
//! than that of the baseline much more is allowed.

mod baseline;

use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode, Stdio};

use baseline::{ACCEPT, Baseline};
use libtest_mimic::{Arguments, Completion, Failed, Trial};
use smsgw_test_support::Missing;

/// Enough that what happens once, such as the growth of a table, does not show.
const ROUNDS: u64 = 500;

/// The program in release mode, made for every processor alike: without the caller's flags.
fn build() -> Result<PathBuf, Failed> {
    let manifest = Path::new(env!("CARGO_MANIFEST_DIR")).join("Cargo.toml");
    let target = Path::new(env!("CARGO_TARGET_TMPDIR")).parent().ok_or("no target directory")?;
    let built = Command::new(env!("CARGO"))
        .args(["build", "--locked", "--quiet", "--release", "--bin", "smsgw-counts", "--manifest-path"])
        .arg(manifest)
        .arg("--target-dir")
        .arg(target)
        .env("RUSTFLAGS", "")
        .env("CARGO_INCREMENTAL", "0")
        .env_remove("CARGO_ENCODED_RUSTFLAGS")
        .output()?;
    if !built.status.success() {
        return Err(String::from_utf8_lossy(&built.stderr).into_owned().into());
    }
    Ok(target.join("release/smsgw-counts"))
}

/// The instructions of a whole run.
fn collected(program: &Path, part: &str, rounds: u64) -> Result<u64, Failed> {
    let run = Command::new("valgrind")
        .args(["--tool=callgrind", "--callgrind-out-file=/dev/null"])
        // The C library picks its copies by processor; these every one has.
        .env("GLIBC_TUNABLES", "glibc.cpu.hwcaps=-AVX2,-AVX2_Usable,-AVX_Fast_Unaligned_Load,-ERMS")
        .arg(program)
        .args([part, &rounds.to_string()])
        .stdout(Stdio::null())
        .output()?;
    let said = String::from_utf8_lossy(&run.stderr);
    let count = said.lines().find_map(|line| line.split_once("Collected :")?.1.trim().parse().ok());
    count.ok_or_else(|| format!("callgrind says no count: {said}").into())
}

/// The instructions of a round, which does the part's work `times`: what a run of many rounds takes more than a run of
/// none.
fn count(program: &Path, part: &str, times: u64) -> Result<u64, Failed> {
    let (many, none) = (collected(program, part, times * ROUNDS)?, collected(program, part, 0)?);
    Ok(many.saturating_sub(none) / ROUNDS)
}

fn has_valgrind() -> bool {
    Command::new("valgrind").arg("--version").output().is_ok_and(|said| said.status.success())
}

fn main() -> ExitCode {
    let mut trials = baseline::trials();
    trials.push(Trial::ignorable_test("counts", || {
        let missing = Missing("there is no valgrind: apt-get install valgrind".into());
        match has_valgrind() {
            true => every_part().map(|()| Completion::Completed),
            false if missing.is_required() => Err(missing.into()),
            false => Ok(Completion::ignored_with(missing.0)),
        }
    }));
    libtest_mimic::run(&Arguments::from_args(), trials).exit_code()
}

fn every_part() -> Result<(), Failed> {
    let program = build()?;
    let named = Command::new(&program).output()?;
    let names = String::from_utf8(named.stdout)?;
    let counts: Vec<(String, u64)> = names
        .lines()
        .map(|name| Ok((name.to_owned(), count(&program, name, 1)?)))
        .collect::<Result<_, Failed>>()?;
    let compiler = baseline::compiler()?;
    if std::env::var_os(ACCEPT).is_some() {
        return Ok(Baseline { compiler, counts }.write()?);
    }
    let baseline = Baseline::read()?;
    baseline.judge(&compiler, &counts)?;
    // The guard itself: twice the work of any part must not pass.
    let (name, _) = counts.first().ok_or("there are no parts")?;
    let doubled = [(name.clone(), count(&program, name, 2)?)];
    match baseline.judge(&compiler, &doubled) {
        Ok(()) => Err("twice the work passes".into()),
        Err(_) => Ok(()),
    }
}
