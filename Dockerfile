# Tandem on Debian 12: built in one stage, run in a second one without compiler, as a user of its own.
# All four programs are in the image; docker-compose.yml says which one a service starts.
FROM debian:bookworm-slim AS build
RUN apt-get update -qq && apt-get install -y -qq --no-install-recommends gcc libc6-dev make pkg-config binutils ca-certificates \
        libmicrohttpd-dev libjansson-dev libsqlite3-dev libcurl4-gnutls-dev nettle-dev libdnnl-dev libpng-dev libjpeg-dev \
        libarchive-dev zlib1g-dev && rm -rf /var/lib/apt/lists/*
WORKDIR /src
COPY Makefile ./
COPY schema schema
COPY server server
COPY worker worker
COPY clients clients
RUN make -j"$(nproc)" programs && make install DESTDIR=/image PREFIX=/usr/local

FROM debian:bookworm-slim
RUN apt-get update -qq && apt-get install -y -qq --no-install-recommends ca-certificates curl libmicrohttpd12 libjansson4 libsqlite3-0 \
        libcurl3-gnutls libnettle8 libdnnl2 libpng16-16 libjpeg62-turbo libarchive13 zlib1g && rm -rf /var/lib/apt/lists/* \
    && useradd --system --uid 10001 --home-dir /var/lib/tandem tandem \
    && install -d -o tandem -g tandem -m 750 /var/lib/tandem /var/cache/tandem
COPY --from=build /image/usr/local/bin/ /usr/local/bin/
USER tandem
WORKDIR /var/lib/tandem
VOLUME ["/var/lib/tandem", "/var/cache/tandem"]
EXPOSE 8080
CMD ["tandemd", "--help"]
