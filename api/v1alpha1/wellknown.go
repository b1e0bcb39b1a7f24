package v1alpha1

// The names by which Bulwark is known to the API server. Every label key, prefix and fixed name
// stands here and nowhere else.
const (
	// ManagedByLabel is Kubernetes' recommended label for the tool that manages an object.
	ManagedByLabel = "app.kubernetes.io/managed-by"
	// ManagedBy is the value of ManagedByLabel on every object that Bulwark made.
	ManagedBy = "bulwark"
	// FieldManager is the field manager of every write of the operator.
	FieldManager = "bulwark"

	// ProfileLabel names, on every managed object and on every governed namespace, the
	// SecurityProfile that governs it. The operator caches only objects that carry it.
	ProfileLabel = "security.bulwark.dev/profile"
	// WorkloadsLabel says of a namespace whether the rules for pods of spec.workloads wait there
	// (spec.rollout: WhenSafe), and ImagesLabel the same of spec.images. Bulwark writes them, and
	// the bindings of admission policies select by them.
	WorkloadsLabel = "security.bulwark.dev/workloads"
	// ImagesLabel is WorkloadsLabel for spec.images.
	ImagesLabel = "security.bulwark.dev/images"
	// PodSecurityBeforeAnnotation holds, on a governed namespace, the Pod Security labels that it
	// bore before Bulwark set its own, as a JSON object of label and value.
	PodSecurityBeforeAnnotation = "security.bulwark.dev/pod-security-before"
	// ReturningFieldManager is the field manager of the labels that are given back to a namespace:
	// what Bulwark gives up as FieldManager stays then.
	ReturningFieldManager = "bulwark-returned"
	// LabelPrefix starts every label and annotation that is Bulwark's own.
	LabelPrefix = "security.bulwark.dev/"
	// PodSecurityPrefix starts the labels of Pod Security Admission (KEP-2579), which Bulwark
	// writes on namespaces.
	PodSecurityPrefix = "pod-security.kubernetes.io/"
	// AggregateToGrantableLabel, with the value "true", adds a ClusterRole to bulwark-grantable: to
	// what a SecurityProfile may grant.
	AggregateToGrantableLabel = "security.bulwark.dev/aggregate-to-grantable"
	// GrantableClusterRole is the aggregated ClusterRole that bounds what a SecurityProfile may
	// grant.
	GrantableClusterRole = "bulwark-grantable"

	// Finalizer holds a SecurityProfile until its deletionPolicy has been carried out in every
	// namespace.
	Finalizer = "security.bulwark.dev/baseline"

	// NamePrefix starts the name of every object that Bulwark makes.
	NamePrefix = "bulwark-"
	// PostureName is the name of the one NamespacePosture of a namespace.
	PostureName = "posture"
	// SealSecret is the name of the Secret, in the operator's namespace, that holds the key by
	// which it seals its reports, and SealKey is where in it.
	SealSecret = "bulwark-report-seal" //nolint:gosec // It is a name, and no credential.
	// SealKey is the key of SealSecret's data.
	SealKey = "key"
	// ReportName is the name of the one Report of openreports.io of a namespace.
	ReportName = "bulwark"
	// OperatorNamespace is the namespace that the operator runs in by default.
	OperatorNamespace = "bulwark-system"

	// MaxName bounds the name of an object that a report speaks of, in characters.
	MaxName = 253

	// MaxDrift bounds the drift list of a NamespacePosture and of a SecurityProfile's status.
	MaxDrift = 32
	// MaxObjects bounds the objects list of a NamespacePosture. A profile's own objects are always
	// fewer.
	MaxObjects = 512
	// MaxFindings bounds the findings list of a NamespacePosture.
	MaxFindings = 64
	// MaxBlocked bounds the blocked list of a NamespacePosture.
	MaxBlocked = 32
	// MaxContent bounds what a report remembers to be in place of one object, in characters.
	MaxContent = 16384
	// MaxViolators bounds the pods that an entry of it names.
	MaxViolators = 16
)
