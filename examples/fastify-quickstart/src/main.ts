import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createGuard, hasAuthority, staticSource } from '@countersign/core'
import countersign from '@countersign/fastify'
import { createAuthority } from '@countersign/testkit'
import Fastify from 'fastify'

const production = 'spiffe://saas.example/ns/production/sa'
const authority = await createAuthority('saas.example')
const own = await authority.issue(`${production}/billing-service`, { ipAddresses: ['127.0.0.1'] })

const bundles = { 'saas.example': authority.bundlePem }
const source = staticSource({ key: own.keyPem, cert: own.certificatePem, bundles })

const guard = createGuard({
  source,
  rules: [{ path: '/internal/billing/**', allow: hasAuthority('SERVICE_core-api') }],
})
const app = Fastify({ https: guard.tlsOptions() })
await app.register(countersign, { guard })
app.get('/internal/billing/invoices', (request) => ({ invoices: [], caller: request.principal?.name }))
const url = await app.listen({ host: '127.0.0.1', port: Number(process.env['PORT'] ?? 0) })

const files = mkdtempSync(join(tmpdir(), 'countersign-'))
process.once('exit', () => rmSync(files, { recursive: true, force: true }))
for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => process.exit(0))
writeFileSync(join(files, 'bundle.pem'), authority.bundlePem)
console.log(`listening on ${url}`)
for (const name of ['core-api', 'notification-service']) {
  const { certificatePem, keyPem } = await authority.issue(`${production}/${name}`)
  writeFileSync(join(files, `${name}.pem`), `${certificatePem}${keyPem}`, { mode: 0o600 })
  const flags = `--cacert ${join(files, 'bundle.pem')} --cert ${join(files, `${name}.pem`)}`
  console.log(`curl ${flags} ${url}/internal/billing/invoices`)
}
