//! smsgw-http
