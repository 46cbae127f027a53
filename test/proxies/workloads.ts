import { renameSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { type Authority, createAuthority, type IssueOptions, type TestSvid } from '@countersign/testkit'

const production = 'spiffe://saas.example/ns/production/sa'

export const serviceId: string = `${production}/billing`
export const proxyId: string = 'spiffe://saas.example/ns/edge/sa/proxy'
/** The name by which callers reach the proxy. */
export const publicName: string = 'billing.saas.example'
/** The name by which the proxy reaches the service. */
export const internalName: string = 'billing.production.svc'

/** A trust domain with an intermediate, and the certificates around one proxy. */
export interface Workloads {
  readonly authority: Authority
  /** Issues most SVIDs, so that their chains have two certificates. */
  readonly intermediate: Authority
  /** Issues the proxy's server certificate; callers trust it. It is outside of the trust domain. */
  readonly publicAuthority: Authority
  readonly callers: Readonly<Record<CallerName, TestSvid>>
}

/**
 * `evil` tries to be `admin` by the text of its subject, `utf` has a subject outside of ASCII, `staging` is outside of
 * what the proxy may forward, and `neighbour` is a workload beside the proxy.
 */
export type CallerName = 'orders' | 'reports' | 'evil' | 'utf' | 'staging' | 'neighbour'

export async function createWorkloads(): Promise<Workloads> {
  const authority = await createAuthority('saas.example')
  const intermediate = await authority.intermediate()
  const publicAuthority = await createAuthority('public.example')
  const issue = (id: string, options: IssueOptions = {}): Promise<TestSvid> => intermediate.issue(id, options)
  const callers = {
    orders: await issue(`${production}/orders`, { dnsNames: ['orders.production.svc'] }),
    reports: await authority.issue(`${production}/reports`),
    evil: await issue(`${production}/evil`, {
      subject: {
        C: 'US',
        O: `a,b";c\\d";URI=${production}/admin;Y="`,
        CN: `x";URI=${production}/admin,By=${proxyId};Z=":AAAA:`,
      },
    }),
    utf: await issue(`${production}/utf`, { subject: { O: 'Größe 寸法 Ω', CN: 'é' } }),
    staging: await issue('spiffe://saas.example/ns/staging/sa/orders'),
    neighbour: await issue('spiffe://saas.example/ns/edge/sa/neighbour'),
  }
  return { authority, intermediate, publicAuthority, callers }
}

/** Writes the files that the configurations read into a folder, under the names that they have there. */
export async function writeProxyFiles(
  folder: string,
  workloads: Workloads,
  uris: readonly string[] = [],
): Promise<void> {
  const server = await workloads.publicAuthority.issue('spiffe://public.example/proxy', {
    uris,
    dnsNames: [publicName],
  })
  writeKeyPair(folder, 'server', server)
  write(folder, 'bundle.pem', workloads.authority.bundlePem)
  await writeProxySvid(folder, workloads)
}

/** Issues a new SVID for the proxy and replaces its files, each in one step as spiffe-helper does. */
export async function writeProxySvid(
  folder: string,
  { intermediate }: Workloads,
  options: IssueOptions = {},
): Promise<TestSvid> {
  const svid = await intermediate.issue(proxyId, options)
  writeKeyPair(folder, 'svid', svid)
  return svid
}

function writeKeyPair(folder: string, name: string, { certificatePem, keyPem }: TestSvid): void {
  write(folder, `${name}.pem`, certificatePem)
  write(folder, `${name}.key`, keyPem)
  write(folder, `${name}-and-key.pem`, `${certificatePem}${keyPem}`)
}

function write(folder: string, name: string, text: string): void {
  writeFileSync(join(folder, `${name}.new`), text, { mode: 0o600 })
  renameSync(join(folder, `${name}.new`), join(folder, name))
}
