//! Reading a server's log: which errors it wrote since a moment, and for which database.

use std::path::PathBuf;

/// What each line of the log starts with. See `log_line_prefix` in the manual; the bars make it easy to take apart.
pub const LINE_PREFIX: &str = "%m|%p|%d|%a|";

/// A server's log file.
#[derive(Clone, Debug)]
pub struct Log(pub PathBuf);

/// A moment: how long the log was, in bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Mark(u64);

/// A line of level ERROR, FATAL or PANIC.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    /// Empty for a process that belongs to no database.
    pub database: String,
    pub application: String,
    /// Level and message, `ERROR:  division by zero`, with the DETAIL, HINT and STATEMENT lines that follow it.
    pub text: String,
}

impl Log {
    /// Now.
    pub fn mark(&self) -> Mark {
        Mark(std::fs::metadata(&self.0).map_or(0, |data| data.len()))
    }

    /// What went wrong since `mark`.
    pub fn problems_since(&self, mark: Mark) -> Vec<Problem> {
        let bytes = std::fs::read(&self.0).unwrap_or_default();
        let from = usize::try_from(mark.0).unwrap();
        problems(&String::from_utf8_lossy(bytes.get(from..).unwrap_or_default()))
    }
}

fn problems(text: &str) -> Vec<Problem> {
    let mut found: Vec<Problem> = Vec::new();
    // The process whose lines still belong to the newest problem; other processes write in between.
    let mut process = "";
    for line in text.lines() {
        let fields: Vec<&str> = line.splitn(5, '|').collect();
        let &[_, pid, database, application, message] = fields.as_slice() else {
            // A message of several lines goes on after a tab.
            if let Some(last) = found.last_mut().filter(|_| !process.is_empty()) {
                last.text.push_str("\n    ");
                last.text.push_str(line.trim_start());
            }
            continue;
        };
        let level = message.split(':').next().unwrap_or_default();
        match level {
            "ERROR" | "FATAL" | "PANIC" => {
                process = pid;
                let (database, application) = (database.to_owned(), application.to_owned());
                found.push(Problem { database, application, text: message.to_owned() });
            }
            "DETAIL" | "HINT" | "CONTEXT" | "STATEMENT" | "QUERY" if pid == process => {
                if let Some(last) = found.last_mut() {
                    last.text.push_str("\n  ");
                    last.text.push_str(message);
                }
            }
            _ => process = "",
        }
    }
    found
}

#[test]
fn finds_problems_with_what_belongs_to_them() {
    let log = "2024-01-01 10:00:00.000 UTC|7||| LOG:  ready\n\
               2024-01-01 10:00:01.000 UTC|9|app|psql|ERROR:  relation \"x\" does not exist at character 8\n\
               2024-01-01 10:00:01.000 UTC|9|app|psql|STATEMENT:  SELECT\n\
               \tx\n\
               2024-01-01 10:00:02.000 UTC|9|app|psql|WARNING:  there is no transaction in progress\n\
               2024-01-01 10:00:03.000 UTC|8|||FATAL:  out of memory\n";
    let expected = [
        ("app", "psql", "ERROR:  relation \"x\" does not exist at character 8\n  STATEMENT:  SELECT\n    x"),
        ("", "", "FATAL:  out of memory"),
    ]
    .map(|(database, application, text)| Problem {
        database: database.into(),
        application: application.into(),
        text: text.into(),
    });
    assert_eq!(problems(log), expected);
}
