//! What is handed on holds no secret, and everything that is no secret.

use dr_core::redact::text;

#[test]
fn what_looks_like_a_password_goes_and_the_sentence_around_it_stays() {
    for (said, told) in [
        (
            "connection to postgres://shop:p@ss/w0rd@db:5432/books failed",
            "connection to postgres://shop:(redacted)@db:5432/books failed",
        ),
        ("bad DSN: host=db password=hunter2 dbname=books", "bad DSN: host=db password=(redacted) dbname=books"),
        ("PGPASSWORD='two words' psql", "PGPASSWORD=(redacted) psql"),
        (r#"{"token": "abc", "user": "me"}"#, r#"{"token": (redacted), "user": "me"}"#),
        ("mysqldump --password hunter2 --all", "mysqldump --password (redacted) --all"),
        ("--api-key=abc&next", "--api-key=(redacted)&next"),
        ("authorization: Basic dXNlcjpw", "authorization: Basic (redacted)"),
        ("sent Bearer eyJhbGciOiJSUzI1NiIsImtpZCI6IiJ9", "sent Bearer (redacted)"),
        (
            "https://s3/b/a?X-Amz-Signature=0a1b&X-Amz-Security-Token=Fwo",
            "https://s3/b/a?X-Amz-Signature=(redacted)&X-Amz-Security-Token=(redacted)",
        ),
    ] {
        assert_eq!(text(said), told);
    }
}

#[test]
fn what_is_no_password_is_left_as_it_is() {
    for said in [
        "FATAL: password authentication failed for user \"shop\"",
        "secrets \"login\" is forbidden: User \"me\" cannot get resource \"secrets\" in API group \"\"",
        "cannot reach https://127.0.0.1:6443: Connection refused",
        "image registry.example/postgres@sha256:0a1b2c",
        "--features=EnableCSI",
        "the server could not authenticate: basic authentication is off",
        "no PG_VERSION in /var/lib/postgresql/data: the volume holds no PostgreSQL data",
    ] {
        assert_eq!(text(said), said);
    }
}
