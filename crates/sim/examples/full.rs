#[path = "../../../tests/cu/full.rs"]
mod full;
pub struct Table;
impl Table {
    fn add(&mut self, name: &str, ceiling: u64, outcome: margrave_sim::Outcome) -> anyhow::Result<()> {
        match outcome {
            Ok(r) => {
                println!("{name}: {} / {ceiling}  inner {}", r.compute_units, r.inner.len());
                if std::env::var_os("LOGS").is_some() {
                    for line in &r.logs {
                        println!("   {line}");
                    }
                }
            }
            Err(e) => println!("{name}: FAILED {e}"),
        }
        Ok(())
    }
}
fn main() -> anyhow::Result<()> {
    full::measure(&mut Table)
}
