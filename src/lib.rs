//! smsgw
