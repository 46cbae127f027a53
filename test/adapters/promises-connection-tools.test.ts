import assert from 'node:assert/strict'
import { spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { text } from 'node:stream/consumers'
import { after, before, describe, test } from 'node:test'
import { setTimeout as wait } from 'node:timers/promises'
import { createAuthority, type TestSvid } from '@countersign/testkit'
import { withLife } from '../support/with-life.ts'
import { billing, coreApi, type Service, start, type Variant, variants } from './frameworks.ts'
import { watchHandshakes } from './watch-handshakes.ts'

const skipOpenssl = spawnSync('openssl', ['version']).status !== 0 && 'there is no openssl'
const skipCurl =
  !/\bHTTP2\b/.test(String(spawnSync('curl', ['--version']).stdout)) && 'there is no curl that speaks HTTP/2'

describe(
  'promise 3: a resumed, renegotiated or kept-alive connection never authenticates anyone whom a fresh handshake would refuse, before a rotation and after it (openssl, curl)',
  { concurrency: true },
  async () => {
    const authority = await createAuthority('saas.example')
    const withdrawn = await createAuthority('saas.example', { name: 'withdrawn' })
    let folder = ''
    before(async () => {
      folder = await mkdtemp(join(tmpdir(), 'countersign-'))
    })
    after(() => rm(folder, { recursive: true }))

    const store = async (svid: TestSvid): Promise<StoredSvid> => {
      const [key, cert] = [join(folder, `${svid.serialNumber}.key`), join(folder, `${svid.serialNumber}.crt`)]
      await writeFile(key, svid.keyPem, { mode: 0o600 })
      await writeFile(cert, svid.certificatePem)
      return { key, cert }
    }

    for (const variant of variants.filter(({ http2 }) => !http2)) {
      test(
        `openssl cannot resume a session, with or without the certificate, even after a rotation (${variant.name})`,
        { skip: skipOpenssl },
        async () => {
          const source = await authority.source(billing)
          await using service = await start(variant, { source })
          const reused = watchResumption(service)
          const stored = await store(await authority.issue(coreApi))
          const session = `${stored.key}.session`
          const ask = async (...args: readonly string[]): Promise<string> => {
            const child = startOpenssl(service, variant, args)
            child.stdin.write('GET /internal/health HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n')
            return text(child.stdout)
          }
          const shown = ['-cert', stored.cert, '-key', stored.key]
          assert.match(await ask(...shown, '-sess_out', session), /^HTTP\/1\.1 200 /m)
          for (const change of [
            () => undefined,
            async () => source.replace({ svid: await authority.issue(billing) }),
          ]) {
            await change()
            const again = await ask(...shown, '-sess_in', session)
            assert.match(again, /^New, TLS/m)
            assert.match(again, /^HTTP\/1\.1 200 /m)
            assert.doesNotMatch(await ask('-sess_in', session), /^HTTP\/1\.1 /m)
          }
          assert.equal(service.handled.length, 3)
          assert.ok(reused.every((each) => !each))
        },
      )
    }

    for (const variant of variants.filter(({ http2, tlsVersion }) => !http2 && tlsVersion === 'TLSv1.2')) {
      test(
        `openssl cannot renegotiate, before a rotation or after it (${variant.name})`,
        { skip: skipOpenssl },
        async () => {
          const source = await authority.source(billing)
          await using service = await start(variant, { source })
          const stored = await store(await authority.issue(coreApi))
          for (const change of [
            () => undefined,
            async () => source.replace({ svid: await authority.issue(billing) }),
          ]) {
            const handled = service.handled.length
            const child = startOpenssl(service, variant, ['-cert', stored.cert, '-key', stored.key])
            const said = text(child.stderr)
            const request = 'GET /internal/health HTTP/1.1\r\nHost: a\r\n\r\n'
            child.stdin.write(request)
            while (service.handled.length === handled) await wait(5)
            await change()
            child.stdin.write('R\n')
            child.stdin.write(request)
            await once(child, 'close')
            assert.match(await said, /^RENEGOTIATING$/m)
            assert.equal(service.handled.length, handled + 1)
          }
        },
      )
    }

    for (const variant of variants) {
      test(`curl does not resume its session on later connections (${variant.name})`, { skip: skipCurl }, async () => {
        const source = await authority.source(billing)
        await using service = await start(variant, { source })
        const reused = watchResumption(service)
        const stored = await store(await authority.issue(coreApi))
        // Two simultaneous transfers; the second must not wait for the connection of the first.
        const { lines } = await askWithCurl(service, variant, stored, ['--parallel', '--parallel-immediate'])
        assert.deepEqual(lines, ['200', '200'])
        assert.deepEqual(reused, [false, false])
      })

      test(
        `disconnects curl from a kept connection when its authority is withdrawn (${variant.name})`,
        { skip: skipCurl },
        async () => {
          const source = await authority.source(billing, { federated: [withdrawn] })
          await using service = await start(variant, { source })
          const stored = await store(await withdrawn.issue(coreApi))
          const asking = askWithCurl(service, variant, stored, ['--rate', '30/m'])
          while (service.handled.length === 0) await wait(5)
          source.replace({ bundles: { 'saas.example': authority } })
          const { lines, code } = await asking
          assert.deepEqual(lines, ['200', '000'])
          assert.notEqual(code, 0)
          assert.equal(service.handled.length, 1)
        },
      )

      test(
        `disconnects curl from a kept connection when its certificate expires (${variant.name})`,
        { skip: skipCurl },
        () =>
          withLife(4, async (life) => {
            const source = await authority.source(billing)
            await using service = await start(variant, { source })
            const stored = await store(await authority.issue(coreApi, { ttlSeconds: life.seconds }))
            // The second request is sent after the certificate has expired: after 6 seconds, with a lifetime of 4.
            const asking = askWithCurl(service, variant, stored, ['--rate', `${2400 / life.seconds}/h`])
            asking.catch(() => undefined)
            while (service.handled.length === 0 && !life.isLate()) await wait(5)
            life.begun()
            const { lines, code } = await asking
            assert.deepEqual(lines, ['200', '000'])
            assert.notEqual(code, 0)
            assert.equal(service.handled.length, 1)
          }),
      )
    }
  },
)

interface StoredSvid {
  readonly key: string
  readonly cert: string
}

/** Whether each session that reached the guard was resumed. */
function watchResumption({ running }: Service): readonly boolean[] {
  const reused: boolean[] = []
  watchHandshakes(running.server, (socket) => reused.push(socket.isSessionReused()))
  return reused
}

function startOpenssl(
  { running }: Service,
  { tlsVersion }: Variant,
  args: readonly string[],
): ReturnType<typeof spawnPiped> {
  const version = tlsVersion === 'TLSv1.2' ? '-tls1_2' : '-tls1_3'
  return spawnPiped('openssl', ['s_client', '-connect', `127.0.0.1:${running.port}`, version, ...args])
}

function spawnPiped(command: string, args: readonly string[]) {
  const child = spawn(command, args, { stdio: 'pipe' })
  // It may have closed before everything was written.
  child.stdin.on('error', () => undefined)
  child.stdout.resume()
  child.stderr.resume()
  return child
}

/** Sends two requests in one process, and returns the status of each, or 000. */
async function askWithCurl(
  { running }: Service,
  { http2, tlsVersion }: Variant,
  { key, cert }: StoredSvid,
  args: readonly string[],
): Promise<{ readonly lines: readonly string[]; readonly code: unknown }> {
  const version = tlsVersion === 'TLSv1.2' ? ['--tlsv1.2', '--tls-max', '1.2'] : ['--tlsv1.3']
  const url = `${running.url}/internal/health`
  const print = ['--write-out', '%{http_code}\n', '--output', '/dev/null', '--output', '/dev/null']
  const shown = ['--key', key, '--cert', cert]
  const protocol = http2 ? '--http2' : '--http1.1'
  const options = ['--insecure', '--silent', protocol, ...version, ...shown, ...print, ...args]
  const child = spawnPiped('curl', [...options, url, url])
  const output = text(child.stdout)
  await once(child, 'close')
  return { lines: (await output).trim().split('\n'), code: child.exitCode }
}
