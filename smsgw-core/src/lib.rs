//! smsgw-core
