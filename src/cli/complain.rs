//! Tells of an error: message, detail and hint on stderr as psql does, and as one JSON object with `--json`.

use std::io::Write;

use serde_json::json;

use crate::failure::{Classify, Exit, chain};

/// Tells of an error and gives the exit code that it leads to.
pub(super) fn about(error: &(dyn Classify + Send + Sync + 'static), as_json: bool) -> Exit {
    let failure = error.classify();
    let message = error.to_string();
    let whole = chain(error);
    let mut text = format!("error: {message}\n");
    if let Some(detail) = whole.strip_prefix(message.as_str()).map(|rest| rest.trim_start_matches(": "))
        && !detail.is_empty()
    {
        text.push_str(&format!("detail: {detail}\n"));
    }
    if let Some(hint) = &failure.hint {
        text.push_str(&format!("hint: {hint}\n"));
    }
    // Where stderr is closed there is nobody to tell; the exit code still says it.
    let _ = std::io::stderr().lock().write_all(text.as_bytes());
    if as_json {
        let event = json!({
            "type": "error",
            "error": {"code": failure.code, "message": whole, "hint": failure.hint, "exit": failure.exit as u8},
        });
        let _ = writeln!(std::io::stdout().lock(), "{event}");
    }
    failure.exit
}
