//! Workflows join engines into what a user asks for: one file, or one folder, for each verb.
