import type { NoticingSource, SubjectMaterial, X509Material } from '../../trust/x509-source.ts'
import type { FileSourceOptions, SubjectFileSourceOptions } from './file-options.ts'
import { type FilePlan, parseFileOptions } from './file-plan.ts'
import { loadMaterial, loadSubjectMaterial } from './load-material.ts'
import { type LoadFiles, MaterialLoader } from './material-loader.ts'
import { ReloadedSource } from './reloaded-source.ts'
import {
  createReplaceableSource,
  createReplaceableSubjectSource,
  type ReplaceableSource,
} from '../replaceable-source.ts'

/**
 * Creates a source of X.509 material from files. It reloads them when they change: after a write, a rename, or the swap
 * of a symbolic link as in Kubernetes. It also polls, for file systems that do not report changes.
 *
 * If a set of files is half-written, broken, expired or inconsistent, `onNotice` reports the reason. The last good set
 * stays in use until it expires. The source does not keep the process alive.
 *
 * @example
 * const source = await fileSource({
 * key: '/run/spire/svid_key.pem',
 * cert: '/run/spire/svid.pem',
 * bundles: { 'saas.example': '/run/spire/bundle.pem' },
 * })
 * @throws {ConfigurationError} `option_unknown` or `option_invalid`, saying what to write
 * @throws {SourceError} `file_missing`, `file_forbidden`, `file_unsuitable` or `files_unstable` for files that cannot
 * be read
 * @throws {CertificateError} for invalid content, naming option and path
 */
export function fileSource(options: FileSourceOptions): Promise<NoticingSource>
export function fileSource(options: SubjectFileSourceOptions): Promise<NoticingSource<SubjectMaterial>>
export async function fileSource(
  options: FileSourceOptions | SubjectFileSourceOptions,
): Promise<NoticingSource | NoticingSource<SubjectMaterial>> {
  const plan = parseFileOptions(options)
  return plan.trust.kind === 'ca' ? openSource(plan, subject) : openSource(plan, spiffe)
}

/** How material of one kind is loaded and held. */
interface Kind<Material> {
  readonly load: LoadFiles<Material>
  readonly hold: (material: Material) => ReplaceableSource<Material>
}

const spiffe: Kind<X509Material> = { load: loadMaterial, hold: createReplaceableSource }
const subject: Kind<SubjectMaterial> = { load: loadSubjectMaterial, hold: createReplaceableSubjectSource }

async function openSource<Material>(plan: FilePlan, { load, hold }: Kind<Material>): Promise<NoticingSource<Material>> {
  const loader = new MaterialLoader(plan, load)
  const source = new ReloadedSource(plan, loader, hold((await loader.load()).material))
  await source.start()
  return source
}
