#![doc = include_str!("../README.md")]

mod address;
mod addressing;
mod auth;
mod authorities;
mod bus;
mod case;
mod check;
mod condition;
mod dependency;
mod egress;
mod endpoint;
mod engine;
mod escalate;
mod expectation;
mod expression;
mod fleet;
mod graph;
mod grpc;
mod health;
pub mod import;
mod inhibit;
mod instances;
mod interpolate;
mod mysql;
pub mod needs;
mod node;
mod pages;
mod postgres;
mod probe;
mod problem;
mod reader;
mod receiver;
mod redis;
mod reload;
mod request;
mod requires;
mod route;
mod scalar;
mod scene;
mod schema;
mod secret;
mod sections;
mod service;
mod shown;
mod socket;
mod store;
mod suggest;
mod table;
mod template;
mod validator;
pub mod vocabulary;
pub mod window;
mod yaml;

pub use address::{HostPort, RedisUrl, SecretUrl, TargetUrl};
pub use addressing::{Final, IpFamily, RetryOn};
pub use auth::{ClientCertificate, HttpAuth, Login};
pub use authorities::Authorities;
pub use bus::{BusDurability, RedisTls};
pub use case::{Case, Ending, Expected};
pub use check::{
    Check, CheckSpec, Credential, CredentialCheck, DEPLOYMENT, DnsCheck, DownCheck, Enforce,
    EnvCheck, EnvRule, EnvSource, GateCheck, IN_WINDOW, ImageCheck, ImageRequirements,
    ManifestSource, OAuth2Client, PolicyCheck, RecordKind, RegistryLogin,
    Requirement as EnvRequirement, WindowCheck,
};
pub use dependency::{AnswerAge, Background, DependencyChecker, ProbeConcurrency};
pub use egress::EgressRules;
pub use endpoint::{Endpoint, EndpointSpec};
pub use engine::{Encoding, Engine, MOST_PARTITIONS, key_prefix};
pub use escalate::Escalate;
pub use expectation::HttpExpectation;
pub use fleet::Fleet;
pub use graph::{Graph, Group, NodeKind};
pub use grpc::{GrpcProbe, GrpcTransport};
pub use health::{
    Allowance, BUILT_IN, Baseline, Compare, FREEZE, HealthMonitor, Metric, MetricSource, Monitor,
    Obstacle, OnNoData, PerPeriod, RateThresholds, RollbackMode, RollbackRules, Selector, Side,
    StopEarly, Threshold, Trigger, UNHEALTHY_VARIABLES, VerdictRules,
};
pub use inhibit::Inhibit;
pub use instances::{Instances, Targets};
pub use interpolate::Env;
pub use mysql::{MysqlProbe, MysqlRole};
pub use needs::FollowDepth;
pub use pages::{PAGE_NAMES, PAGE_VARIABLES, Pages};
pub use postgres::{MIGRATION_ADAPTERS, MigrationsCheck, PostgresProbe, PostgresRole};
pub use probe::{LatencyThresholds, Limits, StatusSet};
pub use problem::{Code, Position, Problem, Problems, Severity};
pub use receiver::{
    Circuit, Email, Grouping, Notifier, Receiver, ReceiverKind, Retry, SigningKey, SlackBot,
    SlackMode, SmtpSecurity, SmtpServer,
};
pub use redis::{RedisProbe, RedisRole};
pub use reload::{FleetFile, Reloaded};
pub use request::{HttpProbe, MAX_REDIRECTS, Method};
pub use requires::{Criticality, Needed, Requires};
pub use route::{Glob, Match, ROUTE_VARIABLES, Route};
pub use scene::{Scene, speaks_of_one_service};
pub use schema::schema;
pub use secret::Secret;
pub use service::Service;
pub use socket::{CertificateRules, StartTls, TcpProbe, TlsProbe, TlsVersion};
pub use store::{Store, is_postgres};
pub use template::Template;
pub use validator::{CheckCache, OnError, Validator};
pub use window::{Window, WindowTime};
pub use yaml::to_yaml;
