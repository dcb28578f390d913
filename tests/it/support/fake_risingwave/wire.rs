//! The wire protocol around what is answered.

use std::fmt::Debug;
use std::sync::Arc;

use async_trait::async_trait;
use bytes::Bytes;
use futures::{Sink, SinkExt as _, stream};
use pgwire::api::auth::{DefaultServerParameterProvider, StartupHandler, finish_authentication};
use pgwire::api::auth::{protocol_negotiation, save_startup_parameters_to_metadata};
use pgwire::api::portal::Portal;
use pgwire::api::query::{ExtendedQueryHandler, SimpleQueryHandler};
use pgwire::api::results::{
    DataRowEncoder, DescribePortalResponse, DescribeStatementResponse, FieldFormat, FieldInfo, QueryResponse, Response,
    Tag,
};
use pgwire::api::stmt::{NoopQueryParser, StoredStatement};
use pgwire::api::store::PortalStore;
use pgwire::api::{ClientInfo, ClientPortalStore, PgWireConnectionState, PgWireServerHandlers, Type};
use pgwire::error::{ErrorInfo, PgWireError, PgWireResult};
use pgwire::messages::startup::Authentication;
use pgwire::messages::{PgWireBackendMessage, PgWireFrontendMessage};

use super::{Answer, Shared};

fn refusal(message: String) -> PgWireError {
    PgWireError::UserError(Box::new(ErrorInfo::new("ERROR".to_owned(), "XX000".to_owned(), message)))
}

fn fields(columns: &[(&'static str, Type)]) -> Arc<Vec<FieldInfo>> {
    let field =
        |(name, kind): &(&str, Type)| FieldInfo::new((*name).to_owned(), None, None, kind.clone(), FieldFormat::Binary);
    Arc::new(columns.iter().map(field).collect())
}

fn rows(answer: Answer) -> PgWireResult<Response> {
    let fields = fields(&answer.columns);
    let mut encoder = DataRowEncoder::new(Arc::clone(&fields));
    let mut encoded = Vec::new();
    for row in answer.rows {
        for (value, (_, kind)) in row.iter().zip(&answer.columns) {
            match *kind {
                Type::INT4 => encoder.encode_field(&value.parse::<i32>().unwrap())?,
                _ => encoder.encode_field(&value.as_str())?,
            }
        }
        encoded.push(Ok(encoder.take_row()));
    }
    Ok(Response::Query(QueryResponse::new(fields, stream::iter(encoded))))
}

impl Shared {
    fn answer(&self, by: &impl ClientInfo, sql: &str, parameters: &[Option<Bytes>]) -> PgWireResult<Response> {
        let text = |parameter: &Option<Bytes>| String::from_utf8(parameter.as_deref().unwrap_or_default().to_vec());
        let parameters: Vec<_> = parameters.iter().map(|parameter| text(parameter).unwrap()).collect();
        let mut state = self.state.lock().unwrap();
        if let Some(answer) = state.query(sql, &parameters) {
            return rows(answer);
        }
        let changed = state.change(&by.metadata()["user"], sql, &parameters);
        state.faults += u64::from(changed.is_err());
        changed.map(|()| Response::Execution(Tag::new("OK"))).map_err(refusal)
    }
}

/// What one connection is served with.
pub(super) struct Handlers(pub(super) Arc<Shared>);

struct Handler(Arc<Shared>);

impl PgWireServerHandlers for Handlers {
    fn simple_query_handler(&self) -> Arc<impl SimpleQueryHandler> {
        Arc::new(Handler(Arc::clone(&self.0)))
    }

    fn extended_query_handler(&self) -> Arc<impl ExtendedQueryHandler> {
        Arc::new(Handler(Arc::clone(&self.0)))
    }

    fn startup_handler(&self) -> Arc<impl StartupHandler> {
        Arc::new(Handler(Arc::clone(&self.0)))
    }
}

/// A user with a password is asked for it, and any other is let in at once.
#[async_trait]
impl StartupHandler for Handler {
    async fn on_startup<C>(&self, client: &mut C, message: PgWireFrontendMessage) -> PgWireResult<()>
    where
        C: ClientInfo + Sink<PgWireBackendMessage> + Unpin + Send,
        C::Error: Debug,
        PgWireError: From<<C as Sink<PgWireBackendMessage>>::Error>,
    {
        let given = match message {
            PgWireFrontendMessage::Startup(startup) => {
                protocol_negotiation(client, &startup).await?;
                save_startup_parameters_to_metadata(client, &startup);
                None
            }
            PgWireFrontendMessage::PasswordMessageFamily(password) => Some(password.into_password()?.password),
            _ => return Ok(()),
        };
        let wanted = {
            let (state, user) = (self.0.state.lock().unwrap(), &client.metadata()["user"]);
            if !state.users.is_there(user) {
                return Err(refusal(format!("Failed to get/create session: Role {user} does not exist")));
            }
            state.users.password(user).filter(|_| state.asks)
        };
        if wanted.is_some() && given.is_none() {
            client.set_state(PgWireConnectionState::AuthenticationInProgress);
            return Ok(client.send(PgWireBackendMessage::Authentication(Authentication::CleartextPassword)).await?);
        }
        if wanted.is_some() && wanted != given {
            return Err(refusal("Failed to get/create session: Invalid password".to_owned()));
        }
        finish_authentication(client, &DefaultServerParameterProvider::default()).await
    }
}

#[async_trait]
impl SimpleQueryHandler for Handler {
    async fn do_query<C>(&self, client: &mut C, query: &str) -> PgWireResult<Vec<Response>>
    where
        C: ClientInfo + ClientPortalStore + Sink<PgWireBackendMessage> + Unpin + Send + Sync,
        C::PortalStore: PortalStore,
        C::Error: Debug,
        PgWireError: From<<C as Sink<PgWireBackendMessage>>::Error>,
    {
        Ok(vec![self.0.answer(client, query, &[])?])
    }
}

#[async_trait]
impl ExtendedQueryHandler for Handler {
    type Statement = String;
    type QueryParser = NoopQueryParser;

    fn query_parser(&self) -> Arc<Self::QueryParser> {
        Arc::clone(&self.0.parser)
    }

    async fn do_query<C>(
        &self,
        client: &mut C,
        portal: &Portal<Self::Statement>,
        _max_rows: usize,
    ) -> PgWireResult<Response>
    where
        C: ClientInfo + ClientPortalStore + Sink<PgWireBackendMessage> + Unpin + Send + Sync,
        C::PortalStore: PortalStore<Statement = Self::Statement>,
        C::Error: Debug,
        PgWireError: From<<C as Sink<PgWireBackendMessage>>::Error>,
    {
        self.0.answer(client, &portal.statement.statement, &portal.parameters)
    }

    async fn do_describe_statement<C>(
        &self,
        _client: &mut C,
        statement: &StoredStatement<Self::Statement>,
    ) -> PgWireResult<DescribeStatementResponse>
    where
        C: ClientInfo + ClientPortalStore + Sink<PgWireBackendMessage> + Unpin + Send + Sync,
        C::PortalStore: PortalStore<Statement = Self::Statement>,
        C::Error: Debug,
        PgWireError: From<<C as Sink<PgWireBackendMessage>>::Error>,
    {
        let sql = &statement.statement;
        let answer = self.0.state.lock().unwrap().query(sql, &[]);
        let columns = answer.map(|answer| answer.columns).unwrap_or_default();
        let parameters = sql.matches('$').count();
        let fields = fields(&columns);
        Ok(DescribeStatementResponse::new(vec![Type::VARCHAR; parameters], fields.to_vec()))
    }

    async fn do_describe_portal<C>(
        &self,
        _client: &mut C,
        portal: &Portal<Self::Statement>,
    ) -> PgWireResult<DescribePortalResponse>
    where
        C: ClientInfo + ClientPortalStore + Sink<PgWireBackendMessage> + Unpin + Send + Sync,
        C::PortalStore: PortalStore<Statement = Self::Statement>,
        C::Error: Debug,
        PgWireError: From<<C as Sink<PgWireBackendMessage>>::Error>,
    {
        let answer = self.0.state.lock().unwrap().query(&portal.statement.statement, &[]);
        let columns = answer.map(|answer| answer.columns).unwrap_or_default();
        Ok(DescribePortalResponse::new(fields(&columns).to_vec()))
    }
}
