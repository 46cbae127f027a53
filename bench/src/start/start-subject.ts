/** The frameworks that services are started with. */
export const frameworks = ['Fastify', 'Express'] as const

/** The started programs, each in a separate process. */
export const startSubjects = ['Fastify, bare', 'Fastify, Countersign', 'Express, bare', 'Express, Countersign'] as const
export type StartSubject = (typeof startSubjects)[number]
