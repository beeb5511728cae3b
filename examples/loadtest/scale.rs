//! How the cost of a store's calls grows with its tables.
//!
//! Beside the table that grows there is one that stays at ten thousand rows, on the same server. Both are measured in
//! turn, round by round, so that what else the machine does meanwhile is in both, and in the ratio not at all.

use std::path::PathBuf;

use clap::Args;
use serde_json::{Value, json};

use crate::plot::{Line, Panel, svg};

mod book;
mod devices;
mod ground;
mod messages;

use book::{Book, Cost};
use devices::Devices;
pub(crate) use ground::Kind;
use ground::{Ground, Place, Result};
use messages::Messages;

/// What costs are compared with.
const SMALL: u64 = 10_000;
const SIZES: [u64; 5] = [1_000, 10_000, 100_000, 1_000_000, 10_000_000];
/// Rounds that are measured at each size, and before that, others that only warm up.
const ROUNDS: usize = 30;
const WARM_UP: usize = 3;

#[derive(Debug, Args)]
pub(crate) struct ScaleFlags {
    /// What to measure
    #[arg(long, value_enum, default_value = "postgres")]
    store: Kind,
    /// The most messages, up to 10000000: with PostgreSQL that takes 12 GB in TMPDIR
    #[arg(long, value_name = "N", default_value_t = 1_000_000)]
    max: u64,
    /// The most devices
    #[arg(long, value_name = "N", default_value_t = 1_000_000)]
    max_devices: u64,
    /// Measured rounds at each size
    #[arg(long, value_name = "N", default_value_t = ROUNDS)]
    rounds: usize,
    /// Print one line of JSON as well
    #[arg(long)]
    json: bool,
    /// Draw the costs into this file
    #[arg(long, value_name = "FILE")]
    svg: Option<PathBuf>,
}

pub(crate) async fn run(flags: &ScaleFlags) -> Result<()> {
    let mut random = fastrand::Rng::with_seed(1);
    let messages = grow(flags, flags.max, &mut random, Messages::new).await?;
    print("messages", &messages);
    let devices = grow(flags, flags.max_devices, &mut random, Devices::new).await?;
    print("devices", &devices);
    if flags.json {
        println!("{}", json(flags, &messages, &devices));
    }
    if let Some(file) = &flags.svg {
        let panels = [
            Panel { title: "stored messages", lines: lines(&messages) },
            Panel { title: "registered devices", lines: lines(&devices) },
        ];
        std::fs::write(file, svg(&panels))?;
    }
    Ok(())
}

/// A table that can be filled, and worked with for a round that leaves it as large as it was.
trait Table {
    fn ground(&mut self) -> &mut Ground;
    async fn fill(&mut self, rows: u64, random: &mut fastrand::Rng) -> Result<()>;
    async fn round(&mut self, book: &mut Book, random: &mut fastrand::Rng) -> Result<()>;
}

/// Measures at each size up to `most`, on two tables that `new` makes: of the most rows they may have.
async fn grow<T: Table>(
    flags: &ScaleFlags,
    most: u64,
    random: &mut fastrand::Rng,
    new: fn(Ground, u64) -> T,
) -> Result<Vec<Cost>> {
    let place = Place::open(flags.store)?;
    let mut small = new(Ground::open(&place, "small").await?, SMALL);
    let mut large = new(Ground::open(&place, "large").await?, most);
    small.fill(SMALL, random).await?;
    let mut costs = Vec::new();
    for size in SIZES.into_iter().filter(|size| *size <= most) {
        large.fill(size, random).await?;
        eprintln!("{size} rows");
        let (mut of_small, mut of_large) = (Book::default(), Book::default());
        for round in 0..WARM_UP + flags.rounds {
            if round == WARM_UP {
                (of_small, of_large) = (Book::default(), Book::default());
                small.ground().look(&place);
                large.ground().look(&place);
            }
            small.round(&mut of_small, random).await?;
            large.round(&mut of_large, random).await?;
        }
        costs.extend(Cost::all(size, &of_large, &of_small));
    }
    small.ground().close().await?;
    large.ground().close().await?;
    Ok(costs)
}

/// The kinds of calls, in the order in which they came.
fn steps(costs: &[Cost]) -> Vec<&'static str> {
    let first = costs.first().map(|cost| cost.rows);
    costs.iter().filter(|cost| Some(cost.rows) == first).map(|cost| cost.step).collect()
}

/// Medians of the time of a call, and how they and the CPU of all compare with ten thousand rows.
fn print(what: &str, costs: &[Cost]) {
    let sizes: Vec<u64> = SIZES.into_iter().filter(|size| costs.iter().any(|c| c.rows == *size)).collect();
    print!("\n{what:<28}");
    sizes.iter().for_each(|size| print!(" {size:>20}"));
    println!("\n{:<28}{}", "", format!(" {:>8} {:>5} {:>5}", "µs", "ratio", "cpu").repeat(sizes.len()));
    for step in steps(costs) {
        print!("{step:<28}");
        for cost in costs.iter().filter(|cost| cost.step == step) {
            print!(" {:>8.0} {:>5.2} {:>5.2}", cost.wall_us, cost.ratio, cost.cpu_ratio);
        }
        println!();
    }
}

fn json(flags: &ScaleFlags, messages: &[Cost], devices: &[Cost]) -> Value {
    let all = |costs: &[Cost]| costs.iter().map(Cost::json).collect::<Vec<_>>();
    json!({
        "scale": match flags.store { Kind::Sqlite => "sqlite", Kind::Postgres => "postgres" },
        "compared_with": SMALL,
        "messages": all(messages),
        "devices": all(devices),
    })
}

fn lines(costs: &[Cost]) -> Vec<Line> {
    let line = |step| Line {
        name: step,
        points: costs.iter().filter(|c| c.step == step).map(|c| (c.rows as f64, c.ratio)).collect(),
    };
    steps(costs).into_iter().map(line).collect()
}
