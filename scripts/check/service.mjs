/**
 * A service for each framework, installed from the tarballs: starts with a certificate from files, answers one caller,
 * denies another, and presents a new certificate after the files were replaced. Its rules come from a document, which a
 * worker thread parses.
 */
import assert from 'node:assert/strict'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createGuard, fileSource, hasAuthority } from '@countersign/core'
import { countersign as middleware } from '@countersign/express'
import { countersign as plugin } from '@countersign/fastify'
import { formatPolicyDocument, policyFiles } from '@countersign/policy'
import { createAuthority, serve } from '@countersign/testkit'
import express from 'express'
import Fastify from 'fastify'

const ours = 'spiffe://saas.example/ns/production/sa/billing'
const callers = ['core-api', 'mailer'].map((name) => `spiffe://saas.example/ns/production/sa/${name}`)

// Not at the top level: CommonJS has no await there.
async function main() {
  const authority = await createAuthority('saas.example')
  for (const [name, make] of Object.entries({ fastify: createFastify, express: createExpress })) {
    const folder = mkdtempSync(join(tmpdir(), 'countersign-service-'))
    try {
      assert.deepEqual(await runService(authority, make, folder), { statuses: [200, 403], isRotated: true }, name)
    } finally {
      rmSync(folder, { recursive: true, force: true })
    }
  }
}

async function runService(authority, make, folder) {
  const [key, cert, bundle] = ['key.pem', 'cert.pem', 'bundle.pem'].map((name) => join(folder, name))
  const issueFiles = async () => {
    const svid = await authority.issue(ours)
    writeFileSync(key, svid.keyPem, { mode: 0o600 })
    writeFileSync(cert, svid.certificatePem)
    return svid
  }
  writeFileSync(bundle, authority.bundlePem)
  await issueFiles()
  const source = await fileSource({ key, cert, bundles: { 'saas.example': bundle } })
  const document = join(folder, 'rules.yaml')
  const rules = [{ path: '/invoices', allow: hasAuthority('SERVICE_core-api') }]
  writeFileSync(document, formatPolicyDocument({ rules }))
  const policies = await policyFiles(document)
  const guard = createGuard({ source, rules: policies.current.rules, log: () => undefined })
  const running = await serve(guard, await make(guard))
  const statuses = []
  for (const caller of callers) {
    const { status } = await running.as(await authority.issue(caller)).fetch('/invoices')
    statuses.push(status)
  }

  // The guard listens since before, so it has the new certificate when this resolves.
  const updated = new Promise((resolve) => source.onUpdate(resolve))
  const { certificatePem } = await issueFiles()
  await updated
  const socket = await running.as(await authority.issue(callers[0])).connect()
  const isRotated = certificatePem.startsWith(socket.getPeerX509Certificate().toString())
  await running.close()
  await source.close()
  await policies.close()
  return { statuses, isRotated }
}

async function createFastify(guard) {
  const app = Fastify({ https: guard.tlsOptions() })
  await app.register(plugin, { guard })
  app.get('/invoices', () => 'invoices')
  return app
}

function createExpress(guard) {
  const app = express()
  app.use(middleware(guard))
  app.get('/invoices', (_request, response) => response.send('invoices'))
  return app
}

void main()
