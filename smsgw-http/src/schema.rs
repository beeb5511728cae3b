//! What the OpenAPI document says beside the routes.

mod examples;

use utoipa::OpenApi;
use utoipa::openapi::path::Operation;
use utoipa::openapi::schema::{AdditionalProperties, Schema};
use utoipa::openapi::security::{HttpAuthScheme, HttpBuilder, SecurityScheme};
use utoipa::openapi::{Content, OpenApi as Document, Ref, RefOr, ResponseBuilder};

use crate::problem::{PROBLEM_JSON, ProblemBody};

/// The name of the security scheme.
const TOKEN: &str = "token";

#[derive(OpenApi)]
#[openapi(
    info(title = "smsgw", description = "Send and receive SMS through phones and modems of your own."),
    tags(
        (name = "messages", description = "SMS to send"),
        (name = "events", description = "What happens, as it does"),
        (name = "inbox", description = "SMS that were received"),
        (name = "devices", description = "Phones and modems, and the keys they come in with"),
        (name = "users", description = "Accounts, their tokens, and what was refused and done"),
        (name = "brokers", description = "For brokers that ask who may come in"),
        (name = "health", description = "Whether the gateway can serve; needs no token"),
        (name = "metrics", description = "What the gateway has done, for Prometheus"),
    ),
    components(schemas(ProblemBody)),
    security(("token" = [])),
)]
struct Base;

/// The document without routes.
pub(crate) fn document() -> Document {
    let mut document = Base::openapi();
    let scheme = HttpBuilder::new()
        .scheme(HttpAuthScheme::Bearer)
        .description(Some(
            "A token of this gateway, as sgw_tok_…, with the scopes that the operation names; with any where it names none",
        ))
        .build();
    document.components.get_or_insert_default().add_security_scheme(TOKEN, SecurityScheme::Http(scheme));
    document
}

/// Adds what holds for every route, and writes the document.
pub(crate) fn to_json(mut document: Document) -> String {
    let components = serde_json::to_value(&document.components).unwrap_or_default();
    for item in document.paths.paths.values_mut() {
        let operations = [&mut item.get, &mut item.post, &mut item.patch, &mut item.delete];
        for operation in operations.into_iter().flatten() {
            refusals(operation);
            say_scope(operation);
            examples::add(operation, &components);
        }
    }
    for (name, schema) in &mut document.components.get_or_insert_default().schemas {
        if let RefOr::T(Schema::Object(object)) = schema
            && name.ends_with("Request")
        {
            object.additional_properties = Some(Box::new(AdditionalProperties::FreeForm(false)));
        }
    }
    document.to_json().unwrap_or_default()
}

/// Every route may refuse, and does so in one way.
fn refusals(operation: &mut Operation) {
    for (range, description) in [("4XX", "It is refused"), ("5XX", "The gateway cannot serve it")] {
        let problem = Content::new(Some(Ref::from_schema_name("Problem")));
        let response = ResponseBuilder::new().description(description).content(PROBLEM_JSON, problem).build();
        operation.responses.responses.insert(range.to_owned(), response.into());
    }
}

/// Says in words what the security requirement says in a way that not every reader shows.
fn say_scope(operation: &mut Operation) {
    let required = serde_json::to_value(&operation.security).unwrap_or_default();
    let scopes =
        required.as_array().into_iter().flatten().filter_map(|one| one.pointer("/token/0")?.as_str());
    let scopes: Vec<String> = scopes.map(|scope| format!("`{scope}`")).collect();
    if !scopes.is_empty() {
        let told = operation.description.take().map(|told| format!("{told}\n\n")).unwrap_or_default();
        operation.description = Some(format!("{told}Needs a token with the scope {}.", scopes.join(" or ")));
    }
}
