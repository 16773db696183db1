//! Numbers for Prometheus. Gauges are of the last look; money is in micro-dollars, as on chain, and only shown.

use crate::act::{Ended, Ending, Job, Task};
use metrics::{Unit, counter, describe_counter, describe_gauge, describe_histogram, gauge, histogram};
use metrics_exporter_prometheus::{Matcher, PrometheusBuilder, PrometheusHandle};
use std::time::Duration;

/// Seconds: a look takes from well under a millisecond to some seconds.
const BUCKETS: [f64; 12] = [0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 5.0];

/// Begins to count, and returns what prints the counts.
///
/// # Errors
/// When something else counts already.
pub fn install() -> anyhow::Result<PrometheusHandle> {
    let handle = PrometheusBuilder::new()
        .set_buckets_for_metric(Matcher::Suffix("seconds".to_owned()), &BUCKETS)?
        .install_recorder()?;
    describe();
    // What has not happened yet is zero and not missing: an alert on its rate works from the start.
    for job in Job::ALL {
        counter!("margrave_keeper_attempts_total", "job" => job.name()).absolute(0);
        counter!("margrave_keeper_successes_total", "job" => job.name()).absolute(0);
    }
    counter!("margrave_keeper_failures_total", "job" => "liquidation", "reason" => "rpc_error").absolute(0);
    counter!("margrave_keeper_profit_micros_total").absolute(0);
    counter!("margrave_keeper_resyncs_total").absolute(0);
    counter!("margrave_keeper_updates_total").absolute(0);
    Ok(handle)
}

fn describe() {
    describe_gauge!("margrave_keeper_accounts", "Margin accounts that are watched");
    describe_gauge!("margrave_keeper_liquidatable", "Margin accounts that may be liquidated now");
    describe_gauge!("margrave_keeper_watched_closely", "Margin accounts that are valued at every look");
    describe_gauge!(
        "margrave_keeper_unknown",
        "Margin accounts that cannot be valued: the log says why at level debug"
    );
    describe_gauge!("margrave_keeper_in_flight", "Transactions under way");
    describe_gauge!("margrave_keeper_backlog", "Tasks that wait for a place");
    describe_gauge!("margrave_keeper_slot_lag", "Slots that the accounts are behind the node");
    describe_gauge!("margrave_keeper_live", "One while changes come over the websocket");
    describe_gauge!("margrave_keeper_oracle_age_seconds", Unit::Seconds, "Age of the price on chain");
    describe_gauge!("margrave_keeper_wallet_lamports", "What the wallet has for fees");
    describe_gauge!("margrave_keeper_equity_micros", "Equity of the keeper's margin account");
    describe_gauge!("margrave_keeper_free_micros", "What of it can carry further positions: initial health");
    describe_gauge!(
        "margrave_keeper_last_look_timestamp_seconds",
        Unit::Seconds,
        "When the last look ended, unix time"
    );
    describe_histogram!("margrave_keeper_look_seconds", Unit::Seconds, "Time from the start of a look to its end");
    describe_histogram!("margrave_keeper_scan_seconds", Unit::Seconds, "Time to value the accounts that had to be");
    describe_counter!("margrave_keeper_valuations_total", "Valuations of margin accounts");
    describe_counter!("margrave_keeper_updates_total", "Accounts received over the websocket");
    describe_counter!("margrave_keeper_resyncs_total", "Times everything was read again");
    describe_counter!("margrave_keeper_attempts_total", "Transactions begun, by job");
    describe_counter!("margrave_keeper_successes_total", "Transactions confirmed, by job");
    describe_counter!("margrave_keeper_failures_total", "Those that were not, by job and reason");
    describe_counter!("margrave_keeper_profit_micros_total", "Expected gain of confirmed liquidations, before fees");
}

/// A task begins.
pub fn begun(task: &Task) {
    counter!("margrave_keeper_attempts_total", "job" => task.job.name()).increment(1);
}

/// A task has ended: counted, and said in one line.
pub fn ended(Ended { task, ending, .. }: &Ended) {
    let (job, step, subject) = (task.job.name(), task.step, task.subject.to_string());
    let (health, profit) = (task.health, task.profit);
    match ending {
        Ending::Done { signature, units } => {
            counter!("margrave_keeper_successes_total", "job" => job).increment(1);
            counter!("margrave_keeper_profit_micros_total").increment(u64::try_from(profit.unwrap_or(0)).unwrap_or(0));
            tracing::info!(job, step, account = subject, health, profit, signature, units, "done");
        }
        Ending::Simulated { units } => {
            tracing::info!(job, step, account = subject, health, profit, units, "would be done");
        }
        Ending::Unprofitable { units } => {
            counter!("margrave_keeper_failures_total", "job" => job, "reason" => "unprofitable").increment(1);
            tracing::info!(job, step, account = subject, health, profit, units, "left: it earns too little");
        }
        Ending::Failed(failure) => {
            let reason = ending.reason();
            counter!("margrave_keeper_failures_total", "job" => job, "reason" => reason).increment(1);
            let said = failure.to_string();
            tracing::warn!(job, step, account = subject, health, profit, reason, said, "failed");
        }
    }
}

/// A gauge of the last look. Floating point is what Prometheus stores; nothing is computed from it here.
pub fn set(name: &'static str, value: impl TryInto<i64>) {
    let value: i64 = value.try_into().unwrap_or(i64::MAX);
    #[allow(clippy::cast_precision_loss)]
    gauge!(name).set(value as f64);
}

/// The age of an underlying's price on chain.
pub fn oracle_age(symbol: String, secs: i64) {
    #[allow(clippy::cast_precision_loss)]
    gauge!("margrave_keeper_oracle_age_seconds", "underlying" => symbol).set(secs as f64);
}

/// How long something took.
pub fn took(name: &'static str, time: Duration) {
    histogram!(name).record(time.as_secs_f64());
}

/// So many more.
pub fn count(name: &'static str, more: usize) {
    counter!(name).increment(u64::try_from(more).unwrap_or(u64::MAX));
}
