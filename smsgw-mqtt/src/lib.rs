//! smsgw-mqtt
