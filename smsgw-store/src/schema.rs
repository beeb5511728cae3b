/// How far the schema of a database has come. Versions count from 1; 0 is a database that has none yet.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct Schema {
    /// The version that is there.
    pub found: usize,
    /// The version that this program makes and works with.
    pub known: usize,
}

impl Schema {
    /// Whether the program is ahead, so that its opening the database changes the schema.
    pub fn is_older(self) -> bool {
        self.found < self.known
    }
}
