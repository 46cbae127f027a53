import assert from 'node:assert/strict'
import { writeFileSync } from 'node:fs'
import { syncBuiltinESMExports } from 'node:module'
import { join } from 'node:path'
import { test } from 'node:test'
import timers from 'node:timers/promises'
import { fileSource } from '@countersign/core'
import { createAuthority } from '@countersign/testkit'
import { createJwk, toDocument } from '../trust/bundle-documents.ts'
import { issueMany, joinPem } from '../trust/many-authorities.ts'
import { authority, awaitMaterial, createFolder, openSource, optionsFor, spiffeId, writeFiles } from './files.ts'
import { certificateBag, encryptedPart, part, writeStore } from './write-key-store.ts'

const authorities = issueMany(200)
const bags = authorities.map((der) => certificateBag(der))
const passphrase = 'changeit'

for (const [what, name, content] of [
  ['PEM', 'partner.pem', joinPem(authorities)],
  ['DER', 'partner.crt', Buffer.concat(authorities)],
  [
    'a SPIFFE bundle document',
    'partner.json',
    toDocument(...authorities.map((der) => createJwk([der.toString('base64')])())),
  ],
  ['an unencrypted PKCS#12 store', 'partner.p12', writeStore([part(...bags)], { mac: null })],
  ['a PKCS#12 store', 'partner.p12', writeStore([encryptedPart(bags, passphrase)])],
] as const) {
  test(`decodes the authorities of a partner in turns when its file becomes ${what}`, async (context) => {
    const folder = createFolder(context)
    writeFiles(folder, await authority.issue(spiffeId))
    const path = join(folder, name)
    writeFileSync(path, authority.bundlePem)
    const { bundles, ...own } = optionsFor(folder)
    const file = what === 'a PKCS#12 store' ? { path, passphrase } : path
    const options = { ...own, bundles: { ...bundles, 'partner.example': file }, pollMs: 1000 }
    const { source } = await openSource(context, fileSource(options))
    const turns = context.mock.method(timers, 'setImmediate')
    syncBuiltinESMExports()
    context.after(() => (turns.mock.restore(), syncBuiltinESMExports()))
    writeFileSync(path, content)
    await awaitMaterial(source, (material) => material.bundles.get('partner.example')?.authorities.length === 200)
    assert.ok(turns.mock.callCount() > 1, `found ${turns.mock.callCount()} turns`)
  })
}

test('decodes the authorities of a CA without SPIFFE in turns', async (context) => {
  const folder = createFolder(context)
  const ca = await createAuthority('saas.example', { spiffeId: false })
  writeFiles(folder, await ca.issue(spiffeId, { uris: [], subject: { CN: 'core-api' } }), ca.bundlePem)
  const { key, cert } = optionsFor(folder)
  const options = { key, cert, ca: join(folder, 'bundle.pem'), pollMs: 1000 }
  const { source } = await openSource(context, fileSource(options))
  const turns = context.mock.method(timers, 'setImmediate')
  syncBuiltinESMExports()
  context.after(() => (turns.mock.restore(), syncBuiltinESMExports()))
  writeFileSync(join(folder, 'bundle.pem'), ca.bundlePem + joinPem(authorities))
  await awaitMaterial(source, (material) => material.ca.authorities.length === 201)
  assert.ok(turns.mock.callCount() > 1, `found ${turns.mock.callCount()} turns`)
})
