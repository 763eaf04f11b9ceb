//! Message to wire: one file per way to reach people.
