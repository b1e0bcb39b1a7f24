package admission

// guardOwners guards the owners of a namespace: the garbage collector deletes it, and all that it
// holds, once none of them is there any more. Whoever may delete the namespace may decide by whose
// end it ends, as a controller does that keeps a tenant's namespaces. As in Kubernetes' own
// OwnerReferencesPermissionEnforcement, who makes a namespace may give it owners, and who takes
// them all off lets nothing end. blockOwnerDeletion and controller are a part of what must stay.
func guardOwners() tampering {
	return tampering{
		name: "owns",
		holds: `oldObject != null && (variables.governedBefore || variables.governedNow) && ` +
			`object.metadata.?ownerReferences.orValue([]).size() > 0 && ` +
			`object.metadata.?ownerReferences != oldObject.metadata.?ownerReferences`,
		unless: `authorizer.group("").resource("namespaces").namespace(object.metadata.name)` +
			`.name(object.metadata.name).check("delete").allowed()`,
		message: "the namespace and its baseline would be deleted with its owners; " +
			"only those who may delete the namespace can set them",
	}
}
