//! Words that several kinds of jobs have in their options.

use clap::ValueEnum;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::platform::{self, Wish};
use crate::workflow::writing;

/// The words of `profile`. Earlier versions recorded them with a capital letter.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Profile {
    /// Supabase: its own schemas in part, its roles without login
    #[serde(alias = "Supabase")]
    Supabase,
    /// No platform: everything as on any server
    #[serde(alias = "None")]
    None,
}

impl From<Option<Profile>> for Wish {
    fn from(word: Option<Profile>) -> Self {
        match word {
            None => Self::Recognise,
            Some(Profile::Supabase) => Self::Always(platform::Profile::Supabase),
            Some(Profile::None) => Self::Never,
        }
    }
}

/// The words of `if_busy`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum IfBusy {
    /// Begin when that has ended
    Wait,
    /// End with an error
    Refuse,
}

impl From<IfBusy> for writing::IfBusy {
    fn from(word: IfBusy) -> Self {
        match word {
            IfBusy::Wait => Self::Wait,
            IfBusy::Refuse => Self::Refuse,
        }
    }
}

/// This machine's cores.
pub fn cores() -> usize {
    std::thread::available_parallelism().map_or(2, usize::from)
}
