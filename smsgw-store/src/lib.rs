//! smsgw-store
