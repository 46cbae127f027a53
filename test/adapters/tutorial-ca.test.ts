import assert from 'node:assert/strict'
import { execFileSync, spawnSync } from 'node:child_process'
import { copyFileSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import type { IncomingMessage } from 'node:http'
import { request } from 'node:https'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { text } from 'node:stream/consumers'
import { after, describe, test } from 'node:test'
import {
  authenticated,
  commonName,
  type CountersignEvent,
  createGuard,
  dnsName,
  fileSource,
  hasAuthority,
  type SubjectFileSourceOptions,
  type SubjectIdentity,
} from '@countersign/core'
import { forAdapter, isDenial } from '@countersign/core/adapter'
import { serve } from '@countersign/testkit'
import { admitNow } from '../support/admit-now.ts'

/*
 * A CA as tutorials on mTLS make it with the openssl command: a root, an intermediate that issues for services, and
 * services with their host names, both extended key usages and no key usage.
 */

const skip = spawnSync('openssl', ['version']).status === 0 ? false : 'no openssl on the PATH'

const payment = 'payment-service.prod.internal'
const order = 'order-service.prod.internal'
const rules = [
  { path: '/payments/**', allow: hasAuthority('SERVICE_ORDER') },
  { path: '/**', allow: authenticated() },
]

describe('certificates of a CA made by the openssl command', { skip }, () => {
  const folder = mkdtempSync(join(tmpdir(), 'countersign-openssl-'))
  after(() => rmSync(folder, { recursive: true, force: true }))
  if (skip === false) createHierarchy(folder)
  const at = (name: string): string => join(folder, name)
  const ca = [at('root.crt'), at('issuing.crt')]
  const byCommonName = commonName({ authorities: { [order]: ['SERVICE_ORDER'] } })

  test('identifies a caller with its intermediate by its common name, and refuses an unlisted service', async () => {
    await using service = await start({ key: at('payment.key'), cert: at('payment.chain'), ca }, byCommonName)
    assert.deepEqual(await service.call('order.chain', '/payments/1'), [200, order])
    assert.deepEqual(await service.call('order.chain', '/health'), [200, order])
    await assert.rejects(service.call('payment.chain', '/payments/1', 'payment.key'))
    assert.ok(service.reasons.includes('name_unknown'))
  })

  test('accepts a caller without its intermediate if the CA file contains the intermediate', async () => {
    await using service = await start({ key: at('payment.key'), cert: at('payment.crt'), ca }, byCommonName)
    assert.deepEqual(await service.call('order.crt', '/payments/1'), [200, order])
  })

  test('a service may have its key and chain in a PKCS#12 store', async () => {
    const keyStore = { path: at('payment.p12'), passphrase: 'changeit' }
    await using service = await start({ keyStore, ca: at('root.crt') }, byCommonName)
    assert.deepEqual(await service.call('order.chain', '/payments/1'), [200, order])
  })

  test('identifies a caller with several host names by the listed one', async () => {
    const byDnsName = dnsName({ authorities: { [order]: ['SERVICE_ORDER'] } })
    await using service = await start({ key: at('payment.key'), cert: at('payment.chain'), ca }, byDnsName)
    assert.deepEqual(await service.call('order.chain', '/payments/1'), [200, order])
    assert.deepEqual(await service.call('order-alone.chain', '/payments/1'), [200, order])
  })

  test('does not accept an intermediate as a service, even with a listed common name', async () => {
    const named = commonName({ authorities: { 'Harbour-Issuing': ['SERVICE_ORDER'] } })
    await using service = await start({ key: at('payment.key'), cert: at('payment.chain'), ca }, named)
    await assert.rejects(service.call('issuing.crt', '/payments/1', 'issuing.key'))
    // OpenSSL rejects it first, because of its key usage.
    assert.deepEqual(service.reasons, ['leaf_is_ca'])
  })

  interface Service extends AsyncDisposable {
    readonly reasons: readonly string[]
    /** Status and body of a request with this chain to the server, which is verified by its host name. */
    readonly call: (chain: string, path: string, key?: string) => Promise<readonly [number | undefined, string]>
  }

  async function start(options: SubjectFileSourceOptions, identity: SubjectIdentity): Promise<Service> {
    const source = await fileSource(options)
    const events: CountersignEvent[] = []
    const guard = createGuard({ source, identity, rules, log: (event) => events.push(event) })
    const running = await serve(guard, (incoming, response) => {
      const verdict = admitNow(guard, incoming)
      if (!isDenial(verdict)) return response.end(verdict.name)
      const answer = forAdapter(guard).answer(verdict, incoming)
      return answer === undefined ? undefined : response.writeHead(answer.status).end()
    })
    return {
      get reasons() {
        return events.flatMap((event) => (event.type === 'authentication' && event.reason ? [event.reason] : []))
      },
      call: async (chain, path, key = 'order.key') => {
        const identityOfCaller = { key: readFileSync(at(key)), cert: readFileSync(at(chain)) }
        const outgoing = request({
          ...identityOfCaller,
          host: '127.0.0.1',
          port: running.port,
          path,
          servername: payment,
          ca: readFileSync(at('root.crt')),
          agent: false,
        }).end()
        const response = await new Promise<IncomingMessage>((resolve, reject) => {
          outgoing.on('response', resolve).on('error', reject)
        })
        return [response.statusCode, await text(response)]
      },
      [Symbol.asyncDispose]: async () => {
        await running.close()
        await source.close()
      },
    }
  }
})

function createHierarchy(folder: string): void {
  const openssl = (command: string): Buffer =>
    execFileSync('openssl', command.split(' '), { cwd: folder, stdio: 'pipe' })
  const save = (name: string, ...lines: readonly string[]): void => writeFileSync(join(folder, name), lines.join('\n'))
  const concatenate = (name: string, ...parts: readonly string[]): void =>
    writeFileSync(join(folder, name), parts.map((part) => readFileSync(join(folder, part), 'utf8')).join(''))

  openssl('genrsa -out root.key 4096')
  openssl('req -x509 -new -nodes -key root.key -sha256 -days 3650 -out root.crt -subj /C=DE/O=Harbour/CN=Harbour-Root')

  const sign = (name: string, subject: string, issuer: string, days: number): void => {
    openssl(`req -new -key ${name}.key -out ${name}.csr -subj ${subject}`)
    const by = `-CA ${issuer}.crt -CAkey ${issuer}.key -CAcreateserial`
    openssl(`x509 -req -in ${name}.csr ${by} -out ${name}.crt -days ${days} -sha256 -extfile ${name}.ext`)
  }

  openssl('genrsa -out issuing.key 4096')
  save('issuing.ext', 'basicConstraints=critical,CA:TRUE,pathlen:0', 'keyUsage=critical,keyCertSign,cRLSign')
  sign('issuing', '/C=DE/O=Harbour/CN=Harbour-Issuing', 'root', 1825)

  for (const [name, host, names] of [
    ['payment', payment, ['payment-service', payment, 'localhost']],
    ['order', order, ['order-service', order, 'localhost']],
    ['order-alone', order, [order]],
  ] as const) {
    if (name === 'order-alone') copyFileSync(join(folder, 'order.key'), join(folder, 'order-alone.key'))
    else openssl(`genrsa -out ${name}.key 2048`)
    const alternative = names.map((each) => `DNS:${each}`).join(',')
    save(`${name}.ext`, `subjectAltName=${alternative}`, 'extendedKeyUsage=serverAuth,clientAuth')
    sign(name, `/C=DE/O=Harbour/CN=${host}`, 'issuing', 365)
    concatenate(`${name}.chain`, `${name}.crt`, 'issuing.crt')
  }

  concatenate('all.crt', 'issuing.crt', 'root.crt')
  openssl(
    'pkcs12 -export -in payment.crt -inkey payment.key -certfile all.crt -out payment.p12 -name payment -password pass:changeit',
  )
}
