//! A load of money transfers between accounts: whatever is committed, the sums stay what they are.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use tokio::sync::Semaphore;

use super::{Database, Session};

/// Its tables and first rows.
pub const BANK: &str = "CREATE TABLE account (id int PRIMARY KEY, balance int NOT NULL);
    CREATE TABLE history (id bigserial PRIMARY KEY, account int, delta int);
    INSERT INTO account SELECT g, 100 FROM generate_series(1, 20) g";

/// What never changes, whatever is read and when: [`ADDS_UP`].
pub const TOTAL: &str =
    "SELECT sum(balance) || ' ' || coalesce((SELECT sum(delta) FROM history), 0) FROM account";

/// The answer to [`TOTAL`].
pub const ADDS_UP: &str = "2000 0";

/// Sessions that move money about.
pub struct Tellers([Session; 3]);

impl Tellers {
    pub async fn new(bank: &Database<'_>) -> Self {
        Self([bank.session().await, bank.session().await, bank.session().await])
    }

    /// Works until it is over: begins and commits in different orders, takes savepoints back, and has now and then a transaction
    /// of `many` rows in progress beside the others.
    pub async fn work(&self, many: u32, over: &AtomicBool) {
        let mut step = 0_u32;
        while !over.load(Ordering::Relaxed) {
            step += 1;
            self.step(many, step).await;
        }
    }

    /// [`Tellers::work`], a step for each permit, until they are closed: no more is done than somebody can follow.
    pub async fn work_for(&self, many: u32, permits: &Semaphore) {
        let mut step = 0_u32;
        while let Ok(permit) = permits.acquire().await {
            permit.forget();
            step += 1;
            self.step(many, step).await;
        }
    }

    async fn step(&self, many: u32, step: u32) {
        let [one, other, third] = &self.0;
        let pick = |salt: u32| (step * salt % 10 + 1, step * (salt + 4) % 10 + 11);
        // The one begins first and commits last; they meet in no row.
        let (low, high) = (pick(3).0, pick(7).1);
        let large = format!(
            "INSERT INTO history (account, delta) SELECT g, CASE WHEN g % 2 = 0 THEN 1 ELSE -1 END FROM generate_series(1, {many}) g"
        );
        let has_large = many > 0 && step.is_multiple_of(20);
        if has_large {
            let (to_keep, to_roll_back) = (&large, &large);
            third.execute_all(&format!("BEGIN; {to_keep}; SAVEPOINT s; {to_roll_back}; ROLLBACK TO s")).await;
        }
        one.execute_all(&format!("BEGIN; SAVEPOINT a; {}; ROLLBACK TO a", transfer(low, low % 10 + 1, 5)))
            .await;
        other.execute_all(&format!("BEGIN; {}; COMMIT", transfer(high, (high - 10) % 10 + 11, 2))).await;
        one.execute_all(&format!("{}; COMMIT", transfer(low, low % 10 + 1, 1))).await;
        if has_large {
            third.execute_all(&format!("{large}; COMMIT")).await;
        }
    }
}

fn transfer(from: u32, to: u32, amount: u32) -> String {
    format!(
        "UPDATE account SET balance = balance - {amount} WHERE id = {from}; UPDATE account SET balance = balance + {amount} WHERE id = {to};
         INSERT INTO history (account, delta) VALUES ({from}, -{amount}), ({to}, {amount})"
    )
}

/// Moments at random: the same for the same seed, which whoever makes it says.
pub struct Moments(u64);

impl Moments {
    /// `seed` is not 0.
    pub fn new(seed: u64) -> Self {
        Self(seed.max(1))
    }

    /// A time below `below`, another one at every call (xorshift).
    pub fn next(&mut self, below: Duration) -> Duration {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        below.mul_f64((self.0 >> 11) as f64 / (1_u64 << 53) as f64)
    }
}
