import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { text } from 'node:stream/consumers'
import { test } from 'node:test'
import { extendedKeyUsage, generalName, name, nameConstraints, subjectAlternativeName } from './encode.ts'
import { encodeCertificate } from './issue.ts'

const many = <Item>(count: number, create: (index: number) => Item): readonly Item[] =>
  Array.from({ length: count }, (_, index) => create(index))

const spiffeId = generalName.uri('spiffe://saas.example/ns/production/sa/core-api')

const certificates: Readonly<Record<string, Buffer>> = {
  ordinary: encodeCertificate({}),
  'many DNS names': encodeCertificate({
    extensions: [subjectAlternativeName(spiffeId, ...many(2000, (index) => generalName.dns(index.toString(36))))],
  }),
  'many addresses': encodeCertificate({
    extensions: [subjectAlternativeName(spiffeId, ...many(1000, () => generalName.ip('0a000001')))],
  }),
  'many other names': encodeCertificate({
    extensions: [subjectAlternativeName(spiffeId, ...many(1000, () => generalName.registeredId()))],
  }),
  'many directory names': encodeCertificate({
    extensions: [subjectAlternativeName(spiffeId, ...many(500, () => generalName.directory(name('CN=a'))))],
  }),
  'a subject of many parts': encodeCertificate({ subject: name(...many(500, (index) => `CN=${index}`)) }),
  'many usages': encodeCertificate({
    extensions: [extendedKeyUsage(...many(1000, (index) => `1.3.6.1.4.1.99999.${index}`))],
  }),
  'many name constraints': encodeCertificate({
    extensions: [nameConstraints({ permitted: many(1000, (index) => generalName.dns(index.toString(36))) })],
  }),
}

test('counts at least the memory that a certificate uses, however it is encoded', async () => {
  const program = `
    import { text } from 'node:stream/consumers'
    import { decodeLeaf } from './certificate/decode.js'
    import { retainedBytes } from './certificate/retained-bytes.js'
    const used = () => {
      for (let turn = 0; turn < 3; turn += 1) gc()
      const { heapUsed, external } = process.memoryUsage()
      return heapUsed + external
    }
    for (const encoded of JSON.parse(await text(process.stdin))) {
      const der = Buffer.from(encoded, 'base64')
      const kept = Array.from({ length: Math.ceil(300_000 / der.length) })
      for (let index = 0; index < 20; index += 1) decodeLeaf(der)
      const before = used()
      for (let index = 0; index < kept.length; index += 1) kept[index] = decodeLeaf(der)
      console.log((used() - before) / kept.length, retainedBytes(kept[0]))
    }
  `
  const child = spawn(process.execPath, ['--expose-gc', '--input-type=module', '--eval', program], {
    cwd: new URL('../../packages/spiffe/dist', import.meta.url),
    stdio: ['pipe', 'pipe', 'inherit'],
    timeout: 60_000,
  })
  child.stdin.end(JSON.stringify(Object.values(certificates).map((der) => der.toString('base64'))))
  const [printed] = await Promise.all([text(child.stdout), once(child, 'close')])
  const measured = printed.split('\n')
  for (const [index, what] of Object.keys(certificates).entries()) {
    const [taken, counted] = measured[index]?.split(' ').map(Number) ?? []
    assert.ok(taken !== undefined && counted !== undefined && taken <= counted, `${what}: ${taken} of ${counted}`)
    if (what === 'ordinary') assert.ok(counted < 8 * 1024, `${counted}`)
  }
})
