import assert from 'node:assert/strict'
import { execFile } from 'node:child_process'
import { X509Certificate } from 'node:crypto'
import { copyFileSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import test, { after, before } from 'node:test'
import { promisify } from 'node:util'
import { fileSource, type SourceNotice, type X509Material } from '@countersign/core'
import { createAuthority, serve, type TestSvid } from '@countersign/testkit'
import { waitForEvent } from '../support/wait-for-event.ts'
import { readPage } from './page.ts'
import { isGuard, isSource, parseObject, read, readFunction } from './read.ts'
import { findMissing, runShell, testBlocks, testPrinted, testShell } from './test-page.ts'
import { createWorkbench, production, type Workbench } from './workbench.ts'
import { admitNow } from '../support/admit-now.ts'

const page = readPage('docs/certificates-from-files.md')
const noOpenssl = findMissing('openssl')
const noKeytool = findMissing('keytool')
const noCurl = noOpenssl !== false ? noOpenssl : findMissing('curl')

let bench: Workbench
before(async () => {
  bench = await createWorkbench(page)
})
after(() => bench.close())

testBlocks(page, () => bench)
testShell(page, () => bench, ['openssl', 'keytool'])

for (const [name, skip] of [
  ['openssl-source.ts', noOpenssl],
  ['keytool-source.ts', noKeytool],
  ['encrypted-source.ts', noOpenssl],
] as const) {
  test(`${name} loads the files from the commands without warnings`, { skip }, async (context) => {
    const source = read(await bench.load(name), 'source')
    assert.ok(isSource(source))
    context.after(() => source.close())
    const notices: SourceNotice[] = []
    source.onNotice?.((notice) => notices.push(notice))

    assert.equal(String(source.current.svid.spiffeId), `${production}/billing`)
    assert.equal(source.current.bundles.get('saas.example')?.authorities.length, 1)
    assert.deepEqual(notices, [])
  })
}

for (const [name, skip, made] of [
  ['openssl-source.ts', noOpenssl, 'for name in billing core-api'],
  ['keytool-source.ts', noKeytool, 'svid-keystore.new'],
] as const) {
  test(`${name} accepts new files when the commands run again`, { skip }, async (context) => {
    const source = read(await bench.load(`${name}?renewed`), 'source')
    assert.ok(isSource(source))
    context.after(() => source.close())
    const { serialNumber } = source.current.svid
    const renewal = page.blocks.find(({ info, code }) => info.startsWith('sh run') && code.includes(made))
    assert.ok(renewal !== undefined)
    const updated = waitForEvent<X509Material>(
      (listener) => source.onUpdate(listener),
      ({ svid }) => svid.serialNumber !== serialNumber,
    )
    runShell(renewal, bench.folder)

    assert.equal(String((await updated).svid.spiffeId), `${production}/billing`)
  })
}

test('the service of README.md answers curl as the page shows', { skip: noCurl }, async (context) => {
  const server = readPage('README.md').runnable.get('server.ts')?.code ?? ''
  assert.ok(server.includes('8443'))
  bench.write('source.ts', page.runnable.get('openssl-source.ts')?.code ?? '')
  const replaced = server.replace(/^const source = .*$/m, "import { source } from './source.ts'")
  bench.write('server.ts', `${replaced.replace('8443', '0').replace('0.0.0.0', '127.0.0.1')}\nexport { app, source }\n`)
  const loaded = await bench.load('server.ts')
  const app = read(loaded, 'app')
  context.after(async () => {
    await readFunction(app, 'close').call(app)
    await readFunction(read(loaded, 'source'), 'close').call(read(loaded, 'source'))
  })
  const listening = read(app, 'server')
  const port = String(read(readFunction(listening, 'address').call(listening), 'port'))

  const command = page.blocks.find(({ info }) => info === 'sh run curl')?.code ?? ''
  assert.ok(command.includes(':8443/'))
  const { stdout } = await promisify(execFile)('sh', ['-euc', command.replace(':8443/', `:${port}/`)], {
    cwd: bench.folder,
  })

  assert.equal(`${stdout}\n`, page.blocks.find(({ info }) => info === 'text printed by curl')?.code)
})

test('the workload of a CA without SPIFFE is identified by either of its names', { skip: noOpenssl }, async () => {
  const analytics = {
    ...(await bench.authority.issue(`${production}/analytics-service`)),
    keyPem: readBench('analytics-service.key'),
    certificatePem: readBench('analytics-service.crt'),
  }
  const loaded = await bench.load('by-name.ts')
  assert.equal(await call(read(loaded, 'byCommonName'), analytics), 'analytics-service')
  assert.equal(await call(read(loaded, 'byHostName'), analytics), 'analytics-service.prod.internal')
})

test("a folder contains a partner's bundle as a bundle document", { skip: noOpenssl }, async (context) => {
  const partner = await createAuthority('partner.example')
  const { certificateDer } = partner
  const jwk = new X509Certificate(certificateDer).publicKey.export({ format: 'jwk' })
  const key = { ...jwk, use: 'x509-svid', x5c: [certificateDer.toString('base64')] }
  mkdirSync(join(bench.folder, 'bundles'))
  copyFileSync(join(bench.folder, 'authority.pem'), join(bench.folder, 'bundles/saas.example.pem'))
  bench.write('bundles/partner.example.json', JSON.stringify({ keys: [key] }))
  const loaded = await bench.load('federation.ts')
  const [source, guard] = [read(loaded, 'source'), read(loaded, 'guard')]
  assert.ok(isSource(source) && isGuard(guard))
  context.after(() => source.close())

  const explain = (caller: string): string =>
    guard.explain({ caller, method: 'GET', path: '/partners/1' }).decision.effect
  assert.equal(explain('spiffe://partner.example/ns/sales/sa/orders'), 'allow')
  assert.equal(explain(`${production}/core-api`), 'deny')
  assert.equal(explain('spiffe://unknown.example/ns/sales/sa/orders'), 'deny')
})

test('an invalid set of files is reported as the page shows', { skip: noOpenssl }, async () => {
  const shown = parseObject(page.blocks.find(({ info }) => info === 'json')?.code ?? '')
  mkdirSync(join(bench.folder, 'run'))
  const place = (made: string, name: string): string => {
    const path = join(bench.folder, 'run', name)
    copyFileSync(join(bench.folder, made), path)
    return path
  }
  const key = place('billing.key', 'tls.key')
  const cert = place('billing.crt', 'tls.crt')
  const bundle = place('authority.pem', 'authority.pem')
  await using source = await fileSource({ key, cert, bundles: { 'saas.example': bundle } })
  writeFileSync(cert, readBench('core-api.crt'))
  const notice = await waitForEvent<SourceNotice>(
    (listener) => source.onNotice?.(listener),
    ({ outcome }) => outcome === 'refused',
  )

  const detail = notice.detail.replaceAll(`${bench.folder}/run/`, '/run/tls/')
  assert.deepEqual({ name: 'countersign', type: 'source', ...notice, detail, at: 0 }, { ...shown, at: 0 })
})

test('the page lists all codes that a file can cause', () => {
  const table = page.text.slice(page.text.indexOf('| `code` |'))
  const listed = [...table.matchAll(/^\| (`[^|]+) \|/gm)].flatMap(([, cell = '']) =>
    [...cell.matchAll(/`(\w+)`/g)].map(([, code = '']) => code),
  )
  const errors = readFileSync(new URL('../../packages/spiffe/src/errors.ts', import.meta.url), 'utf8')
  const declared = (name: string): readonly string[] => {
    const [, union = ''] = new RegExp(`type ${name} =\\n((?: {2}\\| '\\w+'\\n)+)`).exec(errors) ?? []
    return [...union.matchAll(/'(\w+)'/g)].map(([, code = '']) => code)
  }
  const elsewhere = ['certificate_trailing_bytes', 'certificate_unsupported', 'crl_malformed', 'crl_unsupported']
  const ofFiles = [...declared('CertificateErrorCode'), ...declared('SourceErrorCode')].filter(
    (code) =>
      !/^source_|^update_|^key_readable|^certificate_long|^spiffe_id_|^watching_|^agent_|^message_|^svid_withdrawn/.test(
        code,
      ) && !elsewhere.includes(code),
  )

  assert.deepEqual(listed.filter((code) => code !== 'code').toSorted(), [...new Set(ofFiles)].toSorted())
})

testPrinted(page, () => bench, ['look.ts'], noOpenssl)

function readBench(name: string): string {
  return readFileSync(join(bench.folder, name), 'utf8')
}

/** Calls a service under this guard over TLS, and returns the name of the principal. */
async function call(guard: unknown, caller: TestSvid): Promise<string> {
  assert.ok(isGuard(guard))
  await using running = await serve(guard, (request, response) => {
    const verdict = admitNow(guard, request)
    response.end('name' in verdict ? verdict.name : '')
  })
  return await (await running.as(caller).fetch('/internal/billing/1')).text()
}
