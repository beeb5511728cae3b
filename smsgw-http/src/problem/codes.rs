//! The codes that a problem may have: what each means, and what to do about it. The page at `/problems` and the table in
//! `docs/API.md` say the same.

use axum::http::StatusCode;

macro_rules! codes {
    ($($name:ident = $status:ident, $code:literal, $title:literal, $means:literal, $cure:literal;)*) => {
        /// A stable code; clients may rely on it, and on nothing else of a problem but its status.
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        pub(crate) enum Code { $(#[doc = $means] $name,)* }

        impl Code {
            /// All of them, by status.
            pub(crate) const ALL: &'static [Self] = &[$(Self::$name,)*];

            /// As it is written in JSON.
            pub(crate) const fn as_str(self) -> &'static str {
                match self { $(Self::$name => $code,)* }
            }

            /// The status that goes with it.
            pub(crate) const fn status(self) -> StatusCode {
                match self { $(Self::$name => StatusCode::$status,)* }
            }

            /// A sentence that is the same for every problem of the code.
            pub(crate) const fn title(self) -> &'static str {
                match self { $(Self::$name => $title,)* }
            }

            /// What it means.
            pub(crate) const fn means(self) -> &'static str {
                match self { $(Self::$name => $means,)* }
            }

            /// What to do about it.
            pub(crate) const fn cure(self) -> &'static str {
                match self { $(Self::$name => $cure,)* }
            }
        }
    };
}

codes! {
    InvalidJson = BAD_REQUEST, "invalid_json", "The body is not valid JSON",
        "The body is not JSON, is nested too deep, or has a key twice.",
        "Look at the line and column in the detail, and write the body with a JSON library.";
    IncompleteBody = BAD_REQUEST, "incomplete_body", "The body did not arrive whole",
        "The connection ended before as many bytes had come as the request announced.",
        "Send the request again, with a Content-Length that is that of the body.";
    InvalidQuery = BAD_REQUEST, "invalid_query", "A query parameter is unknown or not valid",
        "The query has a parameter that the route does not know, has one twice, or has one that cannot be read.",
        "Compare the query with the parameters of the route in /docs.";
    InvalidCursor = BAD_REQUEST, "invalid_cursor", "The cursor is not one of this list",
        "The cursor was changed, or is from another list or another account.",
        "Give a next_cursor of the same list unchanged, or begin without a cursor.";
    InvalidHeader = BAD_REQUEST, "invalid_header", "A header is missing, repeated or not valid",
        "A header that the route reads is there twice, cannot be read, or is one that the route does not take.",
        "Send the header that the detail names once, as the detail says.";
    BadRequest = BAD_REQUEST, "bad_request", "The request is not valid",
        "The request is none that HTTP allows, or could be read in two ways.",
        "Send it with an HTTP library, and look at what a proxy on the way makes of it.";
    Unauthorized = UNAUTHORIZED, "unauthorized", "A valid token is needed",
        "There is no token, or it is mistyped, unknown, expired or revoked.",
        "Send the header Authorization: Bearer, followed by a token that is good; make a new one where it has ended.";
    Forbidden = FORBIDDEN, "forbidden", "The token does not allow this",
        "The token is good, and does not have the scope that the route needs.",
        "Use a token with the scope that the detail names.";
    NotFound = NOT_FOUND, "not_found", "There is no such thing",
        "Nothing of the account of the token has that id. What belongs to another account is answered the same way.",
        "Look at the id and at whose token it is; where a pointer is given, it is the id in that field.";
    UnknownRoute = NOT_FOUND, "unknown_route", "There is no such route",
        "No route has that path.",
        "Compare the path with those in /docs.";
    MethodNotAllowed = METHOD_NOT_ALLOWED, "method_not_allowed", "The route does not have this method",
        "The path is right, and the method is not.",
        "Use one of the methods in the header Allow.";
    RequestTimeout = REQUEST_TIMEOUT, "request_timeout", "The request took too long to arrive",
        "The head or the body of the request came too slowly.",
        "Send the request again over a better connection, or a smaller one.";
    IdConflict = CONFLICT, "id_conflict", "The id belongs to another message",
        "A message with that id is there and says something else, or goes to another number.",
        "Give another message another id. To repeat a request, send exactly the same.";
    TooLate = CONFLICT, "too_late", "It is too late to take the message back",
        "The message is on the air, is over, or its device cannot be asked.",
        "Look at the message for what became of it.";
    NotOver = CONFLICT, "not_over", "The message is still on its way",
        "What was asked for is possible only when the message is over.",
        "Wait for its end, or cancel it first.";
    NothingToRetry = CONFLICT, "nothing_to_retry", "There is nothing to send again",
        "The message was sent, its text was erased, or the device that it had to go to is no more.",
        "Look at the message; send a new one where one is wanted.";
    NameTaken = CONFLICT, "name_taken", "The name belongs to another account",
        "Names of accounts are unique in a gateway.",
        "Give the account another name.";
    LastAdmin = CONFLICT, "last_admin", "It is the last open account of an admin",
        "Nobody could manage accounts any more.",
        "Make another account an admin first.";
    OwnAccount = CONFLICT, "own_account", "It is the account of the token",
        "Nobody closes the account that they act for.",
        "Have another admin close it.";
    IdempotencyInFlight = CONFLICT, "idempotency_in_flight", "The first request with the idempotency key is under way",
        "Another request with the same Idempotency-Key has not been answered yet.",
        "Wait for its answer, or send this one again after the time in Retry-After.";
    BodyTooLarge = PAYLOAD_TOO_LARGE, "body_too_large", "The body is too large",
        "The body has more bytes than the route takes: 65,536, or 4,194,304 for many messages.",
        "Send less at a time.";
    UriTooLong = URI_TOO_LONG, "uri_too_long", "The path and query are too long",
        "The first line of the request is longer than the server reads.",
        "Send a shorter query; a cursor goes back as it came.";
    UnsupportedMediaType = UNSUPPORTED_MEDIA_TYPE, "unsupported_media_type", "The body must be application/json",
        "The header Content-Type is missing or names something else than JSON.",
        "Send JSON with the header Content-Type: application/json.";
    InvalidField = UNPROCESSABLE_ENTITY, "invalid_field", "A field is missing, unknown or not valid",
        "The body is JSON, and one of its fields is not as the route wants it.",
        "Mend the field that the pointer names, as the detail says. Nothing was done.";
    IdempotencyMismatch = UNPROCESSABLE_ENTITY, "idempotency_mismatch", "The idempotency key belongs to another request",
        "The same Idempotency-Key came before with another request.",
        "Give another request another key. To repeat a request, send exactly the same.";
    RateLimited = TOO_MANY_REQUESTS, "rate_limited", "The account has sent too many requests",
        "All tokens of the account together have sent as many requests as they may for now.",
        "Send the request again after the time in Retry-After, and send many messages in one request.";
    TooManyFailures = TOO_MANY_REQUESTS, "too_many_failures", "Too many wrong tokens came from this address",
        "Ten wrong tokens in a minute are followed by a pause, in which no token is looked at.",
        "Wait for the time in Retry-After, and send a good token.";
    HeadersTooLarge = REQUEST_HEADER_FIELDS_TOO_LARGE, "headers_too_large", "The request has too many headers",
        "The head of the request is longer, or has more headers, than the server reads.",
        "Send fewer headers; cookies are not needed.";
    Internal = INTERNAL_SERVER_ERROR, "internal", "The gateway failed",
        "This is a fault of the gateway, or of what its store holds.",
        "Tell the operator the x-request-id of the answer: the log of the gateway says more.";
    Unavailable = SERVICE_UNAVAILABLE, "unavailable", "A backend of the gateway cannot be reached",
        "The store, the queue or the transport is away. Nothing was lost.",
        "Send the request again after the time in Retry-After.";
    Timeout = SERVICE_UNAVAILABLE, "timeout", "A backend of the gateway does not answer",
        "It is not known whether the request was done.",
        "Send it again under the same id or Idempotency-Key, so that nothing is done twice.";
    Throttled = SERVICE_UNAVAILABLE, "throttled", "The gateway has too much to do",
        "More waits to be stored than the gateway keeps in memory. Nothing was accepted.",
        "Send the request again after the time in Retry-After, and more slowly.";
    TooManyConnections = SERVICE_UNAVAILABLE, "too_many_connections", "There are too many connections",
        "The server, or the address that the request comes from, has as many connections as it may.",
        "Use connections again, and close those that are not needed.";
    Closing = SERVICE_UNAVAILABLE, "closing", "The gateway is shutting down",
        "The gateway takes no new requests. Nothing was accepted.",
        "Send the request to another gateway, or again in a moment.";
}

impl Code {
    /// The connection cannot be used again: what follows on it may be the rest of a request.
    pub(super) const fn closes(self) -> bool {
        matches!(
            self,
            Self::RequestTimeout | Self::BodyTooLarge | Self::HeadersTooLarge | Self::IncompleteBody
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_are_unique_and_lower_case_and_their_words_are_plain() {
        for (index, code) in Code::ALL.iter().enumerate() {
            assert!(code.as_str().bytes().all(|b| b.is_ascii_lowercase() || b == b'_'), "{code:?}");
            assert!(Code::ALL[..index].iter().all(|other| other.as_str() != code.as_str()), "{code:?}");
            for words in [code.means(), code.cure()] {
                // They stand as they are in a page and in a table.
                assert!(words.ends_with('.') && !words.contains(['<', '>', '&', '|', '`']), "{code:?}");
            }
        }
    }
}
