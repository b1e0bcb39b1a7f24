package controllers

import (
	"github.com/bulwark-dev/bulwark/internal/posture"
	"github.com/bulwark-dev/bulwark/internal/posture/posturetest"
)

func aPass() *posture.Pass {
	return &posture.Pass{Profile: posturetest.Profile(), Namespace: posturetest.Namespace()}
}
