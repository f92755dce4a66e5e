# One binary on an image without a shell. It writes only to /data, where the embedded database is kept unless
# DAYBOOK_DATABASE_URL says otherwise, so the rest may be mounted read-only:
#
#     docker run --read-only --volume daybook:/data --publish 127.0.0.1:8080:8080 daybook

FROM rust:1.95.0-slim-bookworm AS build
WORKDIR /build
COPY . .
RUN --mount=type=cache,target=/usr/local/cargo/registry \
    --mount=type=cache,target=/build/target \
    cargo build --release --locked --bin daybook \
    && install -D target/release/daybook /out/usr/local/bin/daybook \
    && install -d -m 700 /out/data

FROM gcr.io/distroless/cc-debian12:nonroot
COPY --from=build /out/usr /usr
COPY --from=build --chown=nonroot:nonroot /out/data /data
WORKDIR /
ENV DAYBOOK_LISTEN=0.0.0.0:8080 \
    DAYBOOK_LOG_FORMAT=json
USER nonroot
EXPOSE 8080
STOPSIGNAL SIGTERM
HEALTHCHECK --interval=10s --timeout=5s --start-period=30s --start-interval=1s --retries=3 \
    CMD ["/usr/local/bin/daybook", "check", "--live"]
ENTRYPOINT ["/usr/local/bin/daybook"]
CMD ["serve"]
