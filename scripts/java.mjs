/**
 * `npm run test:java`: the JDK's HttpClient calls a guarded server while its certificate is renewed and the old one
 * expires; no call may fail. Skipped with a message if no JDK is on the PATH.
 */
import { spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, renameSync, rmSync, writeFileSync } from 'node:fs'
import { createSecureServer } from 'node:http2'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { setTimeout } from 'node:timers/promises'
import { build, install, root } from './setup.mjs'

// The source launcher needs the compiler, so a JRE is not enough.
const found = spawnSync('javac', ['-version'], { encoding: 'utf8' })
const [, major] = /javac (\d+)/.exec(`${found.stdout}${found.stderr}`) ?? []
if (!(Number(major) >= 17)) {
  process.stdout.write(
    `found ${major === undefined ? 'no JDK' : `JDK ${major}`} on the PATH, expected 17 or newer.\nskipped\n`,
  )
  process.exit(0)
}

install()
build('packages/core', 'packages/testkit')
const { authenticated, createGuard } = await import('../packages/core/dist/index.js')
const { forAdapter, isDenial } = await import('../packages/core/dist/adapter.js')
const { createAuthority } = await import('../packages/testkit/dist/index.js')

/**
 * Remaining lifetime of the first certificate in seconds; its expiry is announced a tenth of its total lifetime in
 * advance.
 */
const rest = 8
const life = 60

const classes = mkdtempSync(join(tmpdir(), 'countersign-java-'))
try {
  const compiled = spawnSync('javac', ['-d', classes, join(root, 'scripts/java/CallAcrossExpiry.java')], {
    stdio: 'inherit',
  })
  if (compiled.status !== 0) throw new Error('javac failed')
  for (const onExpiry of ['close', 'refuse']) {
    for (const version of ['HTTP_2', 'HTTP_1_1']) {
      const { printed, connections } = await run(onExpiry, version)
      // At least one call on each connection, and a new connection after the announcement.
      const isRight = /^\d{2,} calls, 0 failed$/.test(printed) && connections >= 2
      process.exitCode ||= isRight ? 0 : 1
      const what = `${version}, onExpiry '${onExpiry}'`
      process.stdout.write(`${isRight ? 'ok  ' : 'FAIL'} ${what}: ${printed}; ${connections} connections\n`)
    }
  }
} finally {
  rmSync(classes, { recursive: true, force: true })
}

function log(event) {
  process.stderr.write(`${JSON.stringify(event)}\n`)
}

async function run(onExpiry, version) {
  const authority = await createAuthority('saas.example')
  const caller = 'spiffe://saas.example/ns/production/sa/core-api'
  const source = await authority.source('spiffe://saas.example/ns/production/sa/billing')
  const rules = [{ path: '/**', allow: authenticated() }]
  const guard = createGuard({ source, rules, onExpiry, log })
  const server = createSecureServer({ ...guard.tlsOptions(), allowHTTP1: true }, async (request, response) => {
    const verdict = forAdapter(guard).admit(request)
    await setTimeout(20)
    if (!isDenial(verdict)) return response.end(verdict.name)
    const answer = forAdapter(guard).answer(verdict, request)
    return answer === undefined ? undefined : response.writeHead(answer.status).end()
  })
  guard.attach(server)
  let connections = 0
  server.on('secureConnection', () => (connections += 1))
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  const folder = mkdtempSync(join(tmpdir(), 'countersign-java-'))
  const url = `https://127.0.0.1:${server.address().port}/`
  const child = spawn('java', ['-cp', classes, 'CallAcrossExpiry', url, folder, version, String(rest + 4), '20'], {
    stdio: ['pipe', 'pipe', 'inherit'],
  })
  try {
    const lines = createInterface({ input: child.stdout })[Symbol.asyncIterator]()
    if ((await lines.next()).value !== 'ready') throw new Error('the caller did not start')
    write(folder, await authority.issue(caller, { ttlSeconds: rest, notBefore: Date.now() - (life - rest) * 1000 }))
    const called = once(server, 'secureConnection')
    child.stdin.write('\n')
    await called
    write(folder, await authority.issue(caller))
    const printed = []
    for await (const line of lines) printed.push(line)
    return { printed: printed.join('; '), connections }
  } finally {
    child.kill()
    const closed = once(server, 'close')
    server.close()
    await closed
    await source.close()
    rmSync(folder, { recursive: true, force: true })
  }
}

function write(folder, { keyPem, certificatePem }) {
  for (const [name, content] of [
    ['tls.key', keyPem],
    ['tls.crt', certificatePem],
  ]) {
    writeFileSync(join(folder, `${name}.new`), content, { mode: 0o600 })
    renameSync(join(folder, `${name}.new`), join(folder, name))
  }
}
