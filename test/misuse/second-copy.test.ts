import assert from 'node:assert/strict'
import { cpSync, existsSync, mkdirSync, mkdtempSync, readdirSync, rmSync, symlinkSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, test } from 'node:test'
import { fileURLToPath, pathToFileURL } from 'node:url'
import * as core from '@countersign/core'
import { allow, countersign as countersignExpress } from '@countersign/express'
import countersign from '@countersign/fastify'
import { createAuthority, serve } from '@countersign/testkit'
import express from 'express'
import Fastify from 'fastify'
import { refusal } from '../adapters/refusal.ts'
import { openFiles } from '../subject/ca-files.ts'

/** What happens if two copies of core are installed, each with its own classes. */

const folder = mkdtempSync(join(tmpdir(), 'countersign-copy-'))
after(() => rmSync(folder, { recursive: true }))
const copy = await importCopy()
const authority = await createAuthority('saas.example')
const svid = await authority.issue('spiffe://saas.example/ns/production/sa/billing')
const material = { key: svid.keyPem, cert: svid.certificatePem }

test('rejects a bundle of another copy of the package, and says so', () => {
  assert.notEqual(copy.X509Bundle, core.X509Bundle)
  const bundles = { 'saas.example': copy.X509Bundle.parse('saas.example', authority.bundlePem) }
  const given: object = { ...material, bundles }
  assert.throws(
    () => Reflect.apply(core.staticSource, undefined, [given]),
    refusal('option_invalid', /an object of class X509Bundle.*only one copy/),
  )
})

test('rejects an identity of another copy of the package, and says so', async () => {
  await using files = await openFiles()
  const identity = copy.commonName({ authorities: { 'core-api': [] } })
  assert.throws(
    () => Reflect.apply(core.createGuard, undefined, [{ source: files.source, identity }]),
    refusal('option_invalid', /identity: found an object of class SubjectIdentity.*the same copy/),
  )
})

test('a guard of another copy of the package still guards', async () => {
  const bundles = { 'saas.example': authority.bundlePem }
  const guard = copy.createGuard({
    source: copy.staticSource({ ...material, bundles }),
    rules: [
      { path: '/closed', allow: copy.denyAll() },
      { path: '/**', allow: copy.authenticated() },
    ],
    log: () => undefined,
  })
  const app = Fastify({ https: guard.tlsOptions() })
  await Reflect.apply(app.register, app, [countersign, { guard }])
  app.get('/x', ({ principal }) => principal?.name)
  app.get('/closed', () => assert.fail('the handler ran'))
  await using running = await serve({ tlsOptions: () => ({}), attach: () => undefined }, app)
  const peer = running.as(svid)
  assert.equal(await (await peer.fetch('/x')).text(), svid.spiffeId)
  assert.equal((await peer.fetch('/closed')).status, 403)
})

test("a guard of another copy of the package guards Express, and its routes' own allow", async () => {
  const bundles = { 'saas.example': authority.bundlePem }
  const guard = copy.createGuard({
    source: copy.staticSource({ ...material, bundles }),
    rules: [{ path: '/**', allow: copy.authenticated() }],
    log: () => undefined,
  })
  const app = express()
  app.use(Reflect.apply(countersignExpress, undefined, [guard]))
  app.get('/x', allow(core.authenticated()), ({ principal }, response) => void response.end(principal?.name))
  app.get('/closed', allow(core.denyAll()), () => assert.fail('the handler ran'))
  const served = { tlsOptions: () => guard.tlsOptions(), attach: (server: unknown) => guard.attach(server) }
  await using running = await serve(served, app)
  const peer = running.as(svid)
  assert.equal(await (await peer.fetch('/x')).text(), svid.spiffeId)
  assert.equal((await peer.fetch('/closed')).status, 403)
})

// A copy of core and of its packages, which are installed together.
async function importCopy(): Promise<typeof core> {
  for (const name of ['spiffe', 'authorization', 'core']) {
    const original = fileURLToPath(new URL(`../../packages/${name}`, import.meta.url))
    const target = join(folder, 'node_modules/@countersign', name)
    for (const part of ['dist', 'lazy'].filter((name) => existsSync(join(original, name)))) {
      cpSync(join(original, part), join(target, part), { recursive: true })
    }
    cpSync(join(original, 'package.json'), join(target, 'package.json'))
    mkdirSync(join(target, 'node_modules'))
    for (const library of readdirSync(join(original, 'node_modules'))) {
      if (library !== '@countersign') {
        symlinkSync(join(original, 'node_modules', library), join(target, 'node_modules', library))
      }
    }
  }
  const entry = join(folder, 'node_modules/@countersign/core/dist/index.js')
  const imported: unknown = await import(pathToFileURL(entry).href)
  assert.ok(isCore(imported))
  return imported
}

function isCore(value: unknown): value is typeof core {
  return typeof value === 'object' && value !== null && 'createGuard' in value
}
