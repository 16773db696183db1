//! Writes what fuzzing starts from: random portfolios for the engine, golden requests for `margrave eval`.
//! `fuzz-seeds FOLDER COUNT`

use anyhow::{Context, Result};
use fastrand::Rng;
use margrave_engine_probe::encode;
use margrave_tests::portfolios;
use std::{
    env, fs,
    path::{Path, PathBuf},
};

fn main() -> Result<()> {
    let mut arguments = env::args().skip(1);
    let folder = PathBuf::from(arguments.next().context("fuzz-seeds FOLDER COUNT")?);
    let count: u64 = arguments.next().context("fuzz-seeds FOLDER COUNT")?.parse()?;
    let (engine, eval) = (folder.join("engine"), folder.join("eval"));
    fs::create_dir_all(&engine)?;
    fs::create_dir_all(&eval)?;
    for seed in 0..count {
        let words = encode(&portfolios::random(&mut Rng::with_seed(seed)));
        let bytes: Vec<u8> = words.into_iter().flat_map(i64::to_le_bytes).collect();
        fs::write(engine.join(format!("portfolio-{seed}")), bytes)?;
    }
    let vectors = Path::new(env!("CARGO_MANIFEST_DIR")).join("vectors");
    for (kind, name) in ["price", "math", "svi", "margin"].into_iter().enumerate() {
        let lines = fs::read_to_string(vectors.join(format!("{name}.jsonl")))?;
        for (index, line) in lines.lines().take(60).enumerate() {
            let request = line.split(",\"expect\"").next().unwrap_or(line);
            let bytes = [&[u8::try_from(kind)?], request.as_bytes(), b"}"].concat();
            fs::write(eval.join(format!("{name}-{index}")), bytes)?;
        }
    }
    Ok(())
}
