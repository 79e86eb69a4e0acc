# Sealpost on Bun: docker build -t sealpost . && docker run -p 8080:8080 -v sealpost:/app/data sealpost
FROM oven/bun:1.4.5-slim AS build
WORKDIR /app
COPY package.json bun.lock .npmrc ./
RUN bun install --frozen-lockfile --production --silent && rm -rf node_modules/bun node_modules/@oven node_modules/.bin
COPY tsconfig.json ./
COPY src src
COPY tools/page.ts tools/page.ts
RUN bun tools/page.ts

FROM oven/bun:1.4.5-slim
WORKDIR /app
COPY --from=build /app/node_modules node_modules
COPY package.json tsconfig.json ./
COPY src src
COPY plugins plugins
COPY --from=build /app/dist/page dist/page
RUN mkdir data && chown bun:bun data
USER bun
ENV HOST=0.0.0.0 PORT=8080 NODE_ENV=production
EXPOSE 8080
VOLUME /app/data
HEALTHCHECK --interval=10s --timeout=3s --start-period=10s \
  CMD ["bun", "-e", "process.exit((await fetch(`http://127.0.0.1:${process.env.PORT}/readyz`)).ok ? 0 : 1)"]
# The server is PID 1, and ends on SIGTERM.
ENTRYPOINT ["bun"]
CMD ["src/runtime/bun/server.ts"]
